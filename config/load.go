package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// maxFile is the size from which on a file is not taken for a configuration.
const maxFile = 4 << 20

// Options says how much of a configuration is wanted.
type Options struct {
	// NoSecrets leaves secrets unread, and files that others can read alone, so
	// that whoever may read the file can have its rules explained.
	NoSecrets bool

	// Now is the time to judge certificates by. Zero means the present.
	Now time.Time

	// NoChecks leaves out what Check finds.
	NoChecks bool
}

// Load reads, resolves and checks the configuration at path. Its error is a
// Problems that holds everything that is wrong, not only the first thing; what
// is merely doubtful is in Config.Warnings.
func Load(path string) (*Config, error) { return LoadWith(path, Options{}) }

// LoadWith is Load with options.
func LoadWith(path string, opt Options) (*Config, error) {
	c, problems := Check(path, opt)
	if err := problems.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Check reads the configuration at path as far as it can and returns all that
// is wrong or doubtful. The Config is complete only if there is no error.
func Check(path string, opt Options) (*Config, Problems) {
	src, err := readFile(path)
	if err != nil {
		return &Config{Path: path}, Problems{{File: path, Severity: SeverityError, Message: err.Error(), Fix: unreadable(err)}}
	}
	info, err := os.Stat(path)
	mode := fs.FileMode(0)
	if err == nil {
		mode = info.Mode()
	}
	return parse(path, src, mode, opt)
}

// parse is Check of what was read: src from a file of this mode.
func parse(path string, src []byte, mode fs.FileMode, opt Options) (*Config, Problems) {
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(src)) // lines as the YAML library counts them
	b := &builder{
		reader: &reader{file: path, lines: redact(text)},
		opt:    opt,
		dir:    filepath.Dir(path),
		mode:   mode,
		Config: &Config{Path: path},
	}
	if !utf8.Valid(src) {
		b.fail(place{}, "save it as UTF-8", "the file is not UTF-8 text")
		return b.Config, b.finish()
	}
	if root := b.parse([]byte(text)); root != nil {
		b.build(root)
	}
	problems := b.finish()
	b.Warnings = problems.Warnings()
	return b.Config, problems
}

// readFile reads a file of sensible size, with errors that do not repeat its
// name.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return nil, errors.New("is a folder")
	}
	if err == nil && info.Size() > maxFile {
		return nil, fmt.Errorf("is larger than %d bytes", maxFile)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read it: %w", plain(err))
	}
	return src, nil
}

// unreadable is the way out when the file cannot be read because of err.
func unreadable(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "run as root, or make it readable"
	}
	return "name a configuration with -c FILE"
}

// plain is the system's word in err.
func plain(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// A builder turns the file into a Config, section by section, in an order in
// which names are known before they are used.
type builder struct {
	*reader
	*Config
	opt  Options
	dir  string
	mode fs.FileMode

	inline    []place          // of secrets in the file itself
	peerNames []string         // of all, also of those with mistakes
	broken    bool             // a rule or a peer is missing: do not judge the rules as a whole
	peerAt    map[string]place // where the name of a peer stands
	used      map[string]bool  // identities and profiles that something names
}

func (b *builder) build(root ast.Node) {
	top, ok := b.value(root, "").object("")
	if !ok {
		return
	}
	b.peerAt, b.at, b.used = map[string]place{}, map[any]map[string]place{}, map[string]bool{}
	b.node(top)
	b.tun(top)
	b.listen(top)
	b.control(top)
	b.limits(top)
	b.offloads(top)
	b.timers(top)
	b.identities(top)
	b.profiles(top)
	b.peers(top)
	b.rules(top)
	b.accepts(top)
	b.checkMode()
	if !b.opt.NoChecks {
		b.check()
	}
}
