package archive

import (
	"archive/tar"
	"path"
	"strings"
)

// judge decides about one header. seen maps each path accepted so far to
// whether it is a symbolic link.
func judge(h *tar.Header, seen map[string]bool) (e Entry, skip bool, err error) {
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return Entry{}, true, nil
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink:
	case tar.TypeLink:
		return Entry{}, false, refuse(h.Name, "is a hard link", "archive copies of the files instead")
	case tar.TypeChar, tar.TypeBlock:
		return Entry{}, false, refuse(h.Name, "is a device", "an artifact holds files, folders and links inside it")
	case tar.TypeFifo:
		return Entry{}, false, refuse(h.Name, "is a named pipe", "an artifact holds files, folders and links inside it")
	default:
		return Entry{}, false, refuse(h.Name, "is of an unknown kind", "an artifact holds files, folders and links inside it")
	}
	p, err := insidePath(h.Name)
	if err != nil {
		return Entry{}, false, err
	}
	if p == "." {
		return Entry{}, true, nil
	}
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if seen[dir] {
			return Entry{}, false, refuse(h.Name, "lies below the symbolic link "+dir, "archive the real folder")
		}
	}
	if _, twice := seen[p]; twice && h.Typeflag != tar.TypeDir {
		return Entry{}, false, refuse(h.Name, "is there twice", "archive each file once")
	}
	if h.Typeflag == tar.TypeDir {
		if seen[p] {
			return Entry{}, false, refuse(h.Name, "is there twice", "archive each file once")
		}
		seen[p] = false
		return Entry{}, true, nil
	}
	e = Entry{Path: p}
	if h.Typeflag == tar.TypeSymlink {
		if err := insideLink(p, h.Linkname); err != nil {
			return Entry{}, false, err
		}
		e.Link = h.Linkname
		seen[p] = true
		return e, false, nil
	}
	seen[p] = false
	e.Size = h.Size
	e.Executable = h.Mode&0o111 != 0
	return e, false, nil
}

// insidePath cleans an entry's name and refuses one that leaves the folder.
func insidePath(name string) (string, error) {
	if name == "" || strings.ContainsRune(name, 0) {
		return "", refuse(name, "has no usable name", "")
	}
	if strings.HasPrefix(name, "/") {
		return "", refuse(name, "has an absolute path", "archive with paths relative to the folder, as `tar -C DIR -czf out.tar.gz .` does")
	}
	if strings.Contains(name, `\`) {
		return "", refuse(name, "has a backslash in its path", "use / between folders")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", refuse(name, "climbs out of its folder", "no part of a path may be ..")
		}
	}
	return path.Clean(name), nil
}

// insideLink refuses a link that is absolute or may leave the folder. ".." is
// allowed at the beginning of a target only: later it could follow another link
// and climb out although the text looks harmless.
func insideLink(link, target string) error {
	const hint = "links may only point to something inside the archive"
	if target == "" || strings.HasPrefix(target, "/") || strings.ContainsRune(target, 0) {
		return refuse(link, "links to "+target+", which is not inside the archive", hint)
	}
	depth := strings.Count(link, "/")
	down := false
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; down || depth < 0 {
				return refuse(link, "links to "+target+", which climbs out of its folder", hint)
			}
		default:
			down = true
		}
	}
	return nil
}
