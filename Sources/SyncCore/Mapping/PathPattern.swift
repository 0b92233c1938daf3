/// A glob over the bytes of a relative path.
///
/// | written | matches |
/// | --- | --- |
/// | `*` | any characters of one name, also none |
/// | `?` | one character of a name (one byte where the name is not UTF-8) |
/// | `[a-z]` `[!a-z]` | one character of these, one of all others |
/// | `{a,b}` | one of these patterns |
/// | `**` | alone between slashes: any number of folders, also none; at the end: everything below |
/// | `\*` | the character itself; `\xE9` the byte |
///
/// A pattern without `/` is held against the last name of the path only; one with `/` against the whole path below
/// the folder, and a `/` in front does nothing but that. Letters are compared as they are written: neither case nor
/// Unicode's ways to spell one letter are folded.
public struct PathPattern: Hashable, Sendable {
    /// The pattern as written.
    public let text: String
    private let program: GlobProgram
    /// For a pattern that ends in `/**`: what stands before it.
    private let head: GlobProgram?
    private let isForNames: Bool

    /// - Throws: what is wrong and what to write instead.
    public init(parsing text: String) throws(SpellingProblem) {
        let parsed = try GlobParser.parse(text)
        self.text = text
        program = GlobProgram(parsed.nodes)
        head = parsed.head.map { GlobProgram($0) }
        isForNames = !parsed.hasSlash
    }

    /// Whether the path itself is matched.
    public func matches(_ path: RelativePath) -> Bool {
        matches(path.bytes[...])
    }

    /// Whether the path of a folder is matched, or everything that can lie in it.
    public func coversFolder(_ path: RelativePath) -> Bool {
        coversFolder(path.bytes[...])
    }

    func matches(_ path: ArraySlice<UInt8>) -> Bool {
        program.matches(isForNames ? Self.name(of: path) : path)
    }

    func coversFolder(_ path: ArraySlice<UInt8>) -> Bool {
        matches(path) || head?.matches(path) ?? false
    }

    private static func name(of path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let slash = path.lastIndex(of: UInt8(ascii: "/")) else { return path }
        return path[(slash + 1)...]
    }
}

extension PathPattern: ExpressibleByStringLiteral {
    /// For patterns that stand in the program's own text. One that is not valid matches only what is spelled like it.
    public init(stringLiteral text: String) {
        guard let valid = try? PathPattern(parsing: text) else {
            self.text = text
            program = GlobProgram(text.utf8.map { .byte($0) })
            head = nil
            isForNames = !text.contains("/")
            return
        }
        self = valid
    }
}

extension PathPattern: CustomStringConvertible {
    public var description: String { text }
}

extension PathPattern {
    /// What no mapping takes, whatever its `include` says: files that are still being written under a name that says
    /// so, hidden files, and what file systems and desktops leave lying about.
    public static let builtInExclusions: [PathPattern] = [
        // Hidden; also .nfs1234 (a file deleted while open on NFS), .fuse_hidden1234, .~lock.x#, .DS_Store, .x.swp
        ".*", ".nfs*",
        // Half-written: copies, synchronisers, browsers, download tools
        "*.tmp", "*.TMP", "*.part", "*.partial", "*.filepart", "*.crdownload", "*.download", "*.opdownload", "*.aria2",
        // Editors: Office's owner files, Vim's swap files, backups of Emacs and many others
        "~$*", "*.swp", "*.swo", "*.swx", "?*~", "#*#",
        // File systems and desktops
        "lost+found", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information",
    ]
}
