package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

// tree is the whole Merkle tree, computed anew from the entries: no tile is believed, each is compared.
// tlog.TileHashReader, which believes tiles that it holds against the root, overlooked some before
// golang.org/x/mod v0.40.0 (CVE-2026-56865).
type tree struct {
	dir    string
	size   int64
	hashes []tlog.Hash // by tlog.StoredHashIndex
}

// rebuild reads every entry and every tile of the log in dir, which states to be a certain tree.
func rebuild(dir string, stated tlog.Tree) (*tree, error) {
	t := &tree{dir: dir, size: stated.N}
	for _, tile := range tilesOf(stated.N) {
		if tile.L == 0 {
			if err := t.readEntries(tile); err != nil {
				return nil, err
			}
		}
		if err := t.compare(tile); err != nil {
			return nil, err
		}
	}
	root, err := t.root(stated.N)
	if err == nil && root != stated.Hash {
		err = fmt.Errorf("the entries do not have the root that the checkpoint states")
	}
	return t, err
}

// continues says nothing where the first before.N entries are those of before.
func (t *tree) continues(before tlog.Tree) error {
	if before.N > t.size {
		return fmt.Errorf("the earlier checkpoint has %d entries and this log %d: it was cut short, or one of them is a fork",
			before.N, t.size)
	}
	root, err := t.root(before.N)
	if err == nil && root != before.Hash {
		err = fmt.Errorf("the first %d entries are not those of the earlier checkpoint: history was rewritten,"+
			" or one of them is a fork", before.N)
	}
	return err
}

// root is that of the first n entries.
func (t *tree) root(n int64) (tlog.Hash, error) {
	if n == 0 {
		return sha256.Sum256(nil), nil
	}
	return tlog.TreeHash(n, t)
}

// ReadHashes makes the tree a tlog.HashReader.
func (t *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		found[i] = t.hashes[index]
	}
	return found, nil
}

// readEntries adds the entries below a tile of leaves.
func (t *tree) readEntries(leaves tlog.Tile) error {
	bundle := leaves
	bundle.L = -1
	content, err := t.read(bundle)
	if err != nil {
		return err
	}
	n, end := leaves.N*width, leaves.N*width+int64(leaves.W)
	for ; len(content) > 0; n++ {
		entry, rest, err := cut(content)
		if err != nil || n == end {
			return fmt.Errorf("%s does not hold %d whole entries: it was changed", pathOf(bundle), leaves.W)
		}
		if err := t.add(n, entry); err != nil {
			return err
		}
		content = rest
	}
	if n < end {
		return fmt.Errorf("%s lacks entry %d: it was changed", pathOf(bundle), n)
	}
	return nil
}

// cut takes the first entry off a bundle, where each has its length before it: two bytes, big-endian.
func cut(bundle []byte) (entry, rest []byte, err error) {
	if len(bundle) >= 2 {
		if end := 2 + int(bundle[0])<<8 + int(bundle[1]); end <= len(bundle) {
			return bundle[2:end], bundle[end:], nil
		}
	}
	return nil, nil, fmt.Errorf("an entry bundle ends within an entry")
}

func (t *tree) add(n int64, entry []byte) error {
	hashes, err := tlog.StoredHashes(n, entry, t)
	if err != nil {
		return err
	}
	t.hashes = append(t.hashes, hashes...)
	if bytes.HasPrefix(entry, []byte(`{"doorstep":"wrapped",`)) {
		return t.readBlob(n, entry)
	}
	return nil
}

// readBlob finds what an entry names by its hash, because it was too large to be one, or could not be read.
func (t *tree) readBlob(n int64, entry []byte) error {
	var wrapper struct {
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(entry, &wrapper); err != nil || len(wrapper.SHA256) != 2*sha256.Size {
		return fmt.Errorf("entry %d was changed: it names no blob", n)
	}
	path := filepath.Join("blob", wrapper.SHA256[:2], wrapper.SHA256)
	content, err := os.ReadFile(filepath.Join(t.dir, path))
	if err != nil {
		return fmt.Errorf("entry %d names a blob: %w", n, err)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != wrapper.SHA256 {
		return fmt.Errorf("%s, which entry %d names, was changed", path, n)
	}
	return nil
}

// compare holds a tile as it lies there against the tree.
func (t *tree) compare(tile tlog.Tile) error {
	found, err := t.read(tile)
	if err != nil {
		return err
	}
	wanted, err := tlog.ReadTileData(tile, t)
	if err != nil || bytes.Equal(found, wanted) {
		return err
	}
	if tile.L > 0 || len(found) != len(wanted) {
		return fmt.Errorf("%s does not have the hashes of what is below it: it was changed", pathOf(tile))
	}
	at := 0
	for found[at] == wanted[at] {
		at++
	}
	return fmt.Errorf("entry %d was changed: it does not have the hash that is in %s",
		tile.N*width+int64(at/tlog.HashSize), pathOf(tile))
}

func (t *tree) read(tile tlog.Tile) ([]byte, error) {
	return os.ReadFile(filepath.Join(t.dir, filepath.FromSlash(pathOf(tile))))
}

// pathOf is where C2SP tlog-tiles has a tile, which is nearly where the Go checksum database has it.
func pathOf(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	if rest := strings.TrimPrefix(path, "data/"); rest != path {
		path = "entries/" + rest
	}
	return "tile/" + path
}

// tilesOf are the tiles of a log of size entries, those of leaves first.
func tilesOf(size int64) []tlog.Tile {
	var found []tlog.Tile
	for level, count := 0, size; count > 0; level, count = level+1, count/width {
		for n := int64(0); n*width < count; n++ {
			tile := tlog.Tile{H: height, L: level, N: n, W: width}
			if left := count - n*width; left < width {
				tile.W = int(left)
			}
			found = append(found, tile)
		}
	}
	return found
}
