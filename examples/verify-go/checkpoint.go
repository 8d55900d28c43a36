package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// openCheckpoint returns what the log of verifier states in a file: so many entries, under this root.
func openCheckpoint(path string, verifier note.Verifier) (tlog.Tree, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	signed, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%s is not as %s signed it: %w", path, verifier.Name(), err)
	}
	for _, signature := range signed.Sigs {
		// The last letter has bits to spare: a note with others in them is another file.
		if _, err := base64.StdEncoding.Strict().DecodeString(signature.Base64); err != nil {
			return tlog.Tree{}, fmt.Errorf("%s was changed: its signature is no canonical base64", path)
		}
	}
	tree, err := parseCheckpoint(signed.Text, verifier.Name())
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("%s: %w", path, err)
	}
	return tree, nil
}

// parseCheckpoint reads origin, size and root, a line each; our log never writes more.
func parseCheckpoint(text, origin string) (tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return tlog.Tree{}, fmt.Errorf("that is no checkpoint: want origin, size and root, a line each")
	}
	if lines[0] != origin {
		return tlog.Tree{}, fmt.Errorf("it is of the log %s, the key of %s", lines[0], origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("that is no number of entries: %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}
