package config

func (b *builder) check() {}
