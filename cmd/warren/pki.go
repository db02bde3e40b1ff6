package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"warren/pki"
	"warren/pki/folder"
)

// How long certificates are good for if nothing is said, in days.
const (
	authorityDays = 3650
	certDays      = 365
)

// pkiFlags say which authority is meant.
type pkiFlags struct{ dir, layer string }

func (a *app) pkiCommand() *cobra.Command {
	p := &pkiFlags{}
	cmd := &cobra.Command{
		Use:   "pki",
		Short: "Make authorities, certificates and revocation lists",
		Long: "pki keeps one authority per layer in files that openssl and strongSwan read, too:\n" +
			"DIR/LAYER/ca.crt, ca.key, ca.crl, and NAME.crt and NAME.key for each node. Nodes\n" +
			"need their own two files, ca.crt and ca.crl; ca.key stays where nobody else is.\n" +
			"Nothing is overwritten without --force.",
		Example: "  warren pki init --layer outer\n" +
			"  warren pki issue alice.example\n" +
			"  warren pki revoke alice.example\n" +
			"  warren pki list",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("there is no verb %q; write: warren pki %s", args[0], verbs(cmd))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usage("pki does what? Write: warren pki %s", verbs(cmd))
		},
	}
	cmd.PersistentFlags().StringVar(&p.dir, "dir", "pki", "`DIR` of all layers")
	cmd.PersistentFlags().StringVar(&p.layer, "layer", "", "`NAME` of the layer (default: the only one there is)")
	cmd.AddCommand(a.pkiInitCommand(p), a.pkiIssueCommand(p), a.pkiRenewCommand(p), a.pkiRevokeCommand(p),
		a.pkiCRLCommand(p), a.pkiListCommand(p), a.pkiShowCommand(p))
	return cmd
}

// layers are the folders below dir that hold an authority.
func (p *pkiFlags) layers() ([]string, error) {
	found, err := filepath.Glob(filepath.Join(p.dir, "*", "ca.crt"))
	if err != nil {
		return nil, usage("--dir is %q: %v", p.dir, err)
	}
	var names []string
	for _, f := range found {
		names = append(names, filepath.Base(filepath.Dir(f)))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no authority in %s: make one with warren pki init --layer NAME, or write --dir", p.dir)
	}
	return names, nil
}

// open is the authority of --layer, or the only one there is.
func (p *pkiFlags) open(now time.Time) (*folder.Folder, error) {
	if p.layer == "" {
		names, err := p.layers()
		if err != nil {
			return nil, err
		}
		if len(names) > 1 {
			return nil, usage("which layer? Write --layer with one of %s", list(names))
		}
		p.layer = names[0]
	}
	return folder.Open(filepath.Join(p.dir, p.layer), now)
}

// keyTypeFlag lets one choose the kind of a key.
func keyTypeFlag(cmd *cobra.Command, kind *string) {
	cmd.Flags().StringVar(kind, "type", "", "`KIND` of key: "+list(pki.KeyKinds())+" (default "+pki.KeyKinds()[0]+")")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(pki.KeyKinds(), cobra.ShellCompDirectiveNoFileComp))
}

// daysFlag lets one choose how long something is good for.
func daysFlag(cmd *cobra.Command, days *int, usual int, what string) {
	cmd.Flags().IntVar(days, "days", usual, "`NUMBER` of days that "+what+" is good for")
}

// goodDays refuses times that no calendar has.
func goodDays(days int) error {
	if days < 1 || days > 36500 {
		return usage("--days is %d; write a number from 1 to 36500", days)
	}
	return nil
}

func (a *app) pkiInitCommand(p *pkiFlags) *cobra.Command {
	var plan folder.Plan
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the authority of a layer",
		Args:  exactly(),
		RunE: func(*cobra.Command, []string) error {
			if p.layer == "" {
				p.layer = "default"
			}
			if plan.Subject == "" {
				plan.Subject = "CN=" + p.layer + " CA"
			}
			if filepath.Base(p.layer) != p.layer || strings.HasPrefix(p.layer, ".") {
				return usage("--layer is %q, which cannot be the name of a folder", p.layer)
			}
			if err := goodDays(plan.Days); err != nil {
				return err
			}
			f, aside, err := folder.Create(filepath.Join(p.dir, p.layer), plan, time.Now())
			if err != nil {
				return err
			}
			return a.printAuthority(p.layer, f, aside)
		},
	}
	keyTypeFlag(cmd, &plan.Kind)
	daysFlag(cmd, &plan.Days, authorityDays, "it")
	cmd.Flags().StringVar(&plan.Subject, "subject", "", "distinguished `NAME` (default \"CN=LAYER CA\")")
	cmd.Flags().BoolVar(&plan.Force, "force", false, "move the authority that is there aside, and begin anew")
	return cmd
}

func (a *app) pkiIssueCommand(p *pkiFlags) *cobra.Command {
	var r folder.Request
	cmd := &cobra.Command{
		Use:   "issue NAME",
		Short: "Make a key and a certificate, and print what to write into configurations",
		Long: "issue makes NAME.key and NAME.crt. The identity is the first --san: a domain name,\n" +
			"an address or user@host; without one it is NAME if that has a dot, else CN=NAME.",
		Args: exactly("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			r.Name = args[0]
			return a.signing(p, r.Days, func(f *folder.Folder) (*folder.Entry, error) { return f.Issue(r) })
		},
	}
	keyTypeFlag(cmd, &r.Kind)
	daysFlag(cmd, &r.Days, certDays, "it")
	cmd.Flags().StringArrayVar(&r.SANs, "san", nil, "domain name, address or user@host that it proves (may be repeated)")
	cmd.Flags().StringVar(&r.Subject, "subject", "", "distinguished `NAME` (default \"CN=NAME\")")
	cmd.Flags().StringArrayVar(&r.CRLURLs, "crl-url", nil, "`URL` where peers can fetch ca.crl (may be repeated)")
	cmd.Flags().BoolVar(&r.Force, "force", false, "replace the certificate and key that are there")
	return cmd
}

func (a *app) pkiRenewCommand(p *pkiFlags) *cobra.Command {
	var r folder.Renewal
	cmd := &cobra.Command{
		Use:   "renew NAME|ca",
		Short: "Make a certificate that says the same, for longer",
		Long: "renew makes a new certificate for the key that NAME has, or with --new-key for a\n" +
			"new one. The old certificate is kept below issued/, and stays good until its end.\n" +
			"The name ca stands for the authority: what it has issued stays good.",
		Args: exactly("NAME|ca"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "ca" && !cmd.Flags().Changed("days") {
				r.Days = authorityDays
			}
			return a.signing(p, r.Days, func(f *folder.Folder) (*folder.Entry, error) { return f.Renew(args[0], r) })
		},
	}
	keyTypeFlag(cmd, &r.Kind)
	daysFlag(cmd, &r.Days, certDays, "it")
	cmd.Flags().BoolVar(&r.NewKey, "new-key", false, "with a new key of --type")
	return cmd
}

// signing makes a certificate and prints it.
func (a *app) signing(p *pkiFlags, days int, sign func(*folder.Folder) (*folder.Entry, error)) error {
	if err := goodDays(days); err != nil {
		return err
	}
	f, err := p.open(time.Now())
	if err != nil {
		return err
	}
	e, err := sign(f)
	if err != nil {
		return err
	}
	return a.printIssued(p.layer, f, e)
}

func (a *app) pkiRevokeCommand(p *pkiFlags) *cobra.Command {
	var days int
	cmd := &cobra.Command{
		Use:   "revoke NAME|SERIAL",
		Short: "Put all certificates of a name, or one, on the revocation list",
		Args:  exactly("NAME|SERIAL"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := goodDays(days); err != nil {
				return err
			}
			f, err := p.open(time.Now())
			if err != nil {
				return err
			}
			hit, err := f.Revoke(args[0], days)
			if err != nil {
				return err
			}
			return a.printRevoked(f, args[0], hit)
		},
	}
	daysFlag(cmd, &days, folder.DefaultCRLDays, "the list")
	return cmd
}

func (a *app) pkiCRLCommand(p *pkiFlags) *cobra.Command {
	var days int
	var force bool
	cmd := &cobra.Command{
		Use:   "crl",
		Short: "Sign the revocation list anew",
		Args:  exactly(),
		RunE: func(*cobra.Command, []string) error {
			if err := goodDays(days); err != nil {
				return err
			}
			f, err := p.open(time.Now())
			if err != nil {
				return err
			}
			if err := f.RenewCRL(days, force); err != nil {
				return err
			}
			return a.printRevoked(f, "", nil)
		},
	}
	daysFlag(cmd, &days, folder.DefaultCRLDays, "it")
	cmd.Flags().BoolVar(&force, "force", false, "begin an empty list where the old one is lost")
	return cmd
}
