// Package config reads a node's configuration.
package config
