// Package config reads a node's configuration: one YAML file, strict, into a
// Config with every default filled in and every name resolved.
//
// Everything that is wrong is found at once. Each [Problem] has its place in the
// file, its source line, and the way out; what is merely doubtful is a warning.
// Beyond the form, the rules are tried with flows that stand for all others, so
// that cycles, chains that are too deep, unreachable rules and selectors that do
// not cover the next gateway show before the daemon runs.
//
// Secrets are in the file or, better, in files beside it, and those must be
// closed to others. A [Secret] prints as "(secret)" however it is printed, and
// source lines in messages have secrets masked.
//
// The keys are listed by [Reference]; docs/config.md is made from it.
//
// Not implemented: certificates (cert, key and ca are known and refused), host
// names as addresses, YAML anchors, aliases, tags and merge keys. A rule that
// only several earlier ones together hide is not found to be unreachable, and a
// cycle that needs a combination of source, protocol and port that no rule
// names by itself is found only when such a flow comes.
package config
