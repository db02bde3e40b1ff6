package config

// Load reads, resolves and checks the configuration at path. Its error is a
// *Problems that holds everything that is wrong, not only the first thing.
func Load(path string) (*Config, error) { panic("soon") }
