// Verify checks an exported log of Doorstep with Go's own transparency log, golang.org/x/mod/sumdb, and nothing of ours.
//
//	verify [-earlier CHECKPOINT_FILE] [-key VKEY] DIR
//
// It ends with 0 where everything holds, with 1 and the first thing that is wrong, and with 2 where it was called
// wrongly.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

func main() {
	earlier := flag.String("earlier", "", "a checkpoint that was kept: the log must go on from it")
	key := flag.String("key", "", "the log's key, from whom you trust")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: verify [-earlier CHECKPOINT_FILE] [-key VKEY] DIR")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *key, *earlier); err != nil {
		fmt.Fprintln(os.Stderr, "WRONG:", err)
		os.Exit(1)
	}
}

func run(dir, key, earlier string) error {
	verifier, err := verifierOf(dir, key)
	if err != nil {
		return err
	}
	stated, err := openCheckpoint(filepath.Join(dir, "checkpoint"), verifier)
	if err != nil {
		return err
	}
	tree, err := rebuild(dir, stated)
	if err != nil {
		return err
	}
	goesOn := ""
	if earlier != "" {
		before, err := openCheckpoint(earlier, verifier)
		if err != nil {
			return err
		}
		if err := tree.continues(before); err != nil {
			return err
		}
		goesOn = fmt.Sprintf(", and go on from the %d of %s", before.N, earlier)
	}
	fmt.Printf("%s: all %d entries are as signed%s\nroot %s\n", verifier.Name(), stated.N, goesOn, stated.Hash)
	return nil
}

// verifierOf returns who must have signed: key, or where that is empty whoever the folder names.
func verifierOf(dir, key string) (note.Verifier, error) {
	if key == "" {
		told, err := os.ReadFile(filepath.Join(dir, "vkey"))
		if err != nil {
			return nil, err
		}
		key = string(told)
		fmt.Fprintln(os.Stderr, "The key is the one in the folder itself, so this shows only that the log fits itself:"+
			" whoever rewrote it could have replaced the key too. Give -key from somebody you trust.")
	}
	verifier, err := note.NewVerifier(strings.TrimSpace(key))
	if err != nil {
		return nil, fmt.Errorf("want a verifier key, name+id+base64: %w", err)
	}
	return verifier, nil
}
