import SystemPackage

/// Whose a file is.
public enum Route: Hashable, Sendable {
    case deliver(MappingID)
    /// With the rule, as a person would look for it in the mapping file.
    case ignored(rule: String)
    /// Below no mapped folder.
    case unmapped
}

extension Mapping {
    /// The rule of this mapping's patterns by which it does not take a file; `nil` where it takes it. Sizes are no
    /// matter of patterns: see `sizeRule`.
    ///
    /// An `exclude` that matches a folder on the way excludes everything below it, as a scan would not enter it.
    public func patternRule(against path: RelativePath) -> String? {
        let bytes = path.bytes
        var end = bytes.firstIndex(of: UInt8(ascii: "/"))
        if !recursive, end != nil { return "recursive: false" }
        while let slash = end {
            if let rule = exclusion(ofFolder: bytes[..<slash]) {
                return "\(rule) (the folder \(RelativePath.printable(bytes[..<slash])))"
            }
            end = bytes[(slash + 1)...].firstIndex(of: UInt8(ascii: "/"))
        }
        if let readyMarker, readyMarker.subject(of: path) != nil { return "ready_marker: \(readyMarker.text)" }
        if let pattern = exclude.first(where: { $0.matches(bytes[...]) }) { return "exclude: \(pattern)" }
        if let pattern = PathPattern.builtInExclusions.first(where: { $0.matches(bytes[...]) }) {
            return "built-in exclude: \(pattern)"
        }
        return include.contains { $0.matches(bytes[...]) } ? nil : "include: no pattern matches"
    }

    /// Whether nothing below the folder `path` can be this mapping's, so that a scan need not enter it. Says nothing
    /// of other mappings whose folders lie in there: those are scanned by themselves.
    public func excludesDirectory(_ path: RelativePath) -> Bool {
        guard recursive else { return true }
        var end = path.bytes.firstIndex(of: UInt8(ascii: "/"))
        while let slash = end {
            if exclusion(ofFolder: path.bytes[..<slash]) != nil { return true }
            end = path.bytes[(slash + 1)...].firstIndex(of: UInt8(ascii: "/"))
        }
        return exclusion(ofFolder: path.bytes[...]) != nil
    }

    private func exclusion(ofFolder path: ArraySlice<UInt8>) -> String? {
        if let pattern = exclude.first(where: { $0.coversFolder(path) }) { return "exclude: \(pattern)" }
        return PathPattern.builtInExclusions.first { $0.matches(path) }.map { "built-in exclude: \($0)" }
    }

    /// The rule by which a file of this size, in bytes, is not taken; `nil` where it is.
    public func sizeRule(against size: Int64) -> String? {
        if size == 0, emptyFiles == .skip { return "empty_files: skip" }
        if size < minimumSize { return "minimum_size: \(minimumSize) bytes" }
        if let maximumSize, size > maximumSize { return "maximum_size: \(maximumSize) bytes" }
        return nil
    }
}

extension Configuration {
    /// Whose the file at `path` below the folder of `mapping` is: of all mappings whose folder holds it, the deepest
    /// whose patterns match, then the first in the file; that one's sizes then decide. Where no pattern matches, the
    /// rule is the one of `mapping`.
    public func route(of path: RelativePath, in mapping: Mapping, size: Int64) -> Route {
        for candidate in candidates(for: mapping) {
            guard let below = candidate.path(of: path), candidate.mapping.patternRule(against: below) == nil else {
                continue
            }
            return candidate.mapping.sizeRule(against: size).map { .ignored(rule: $0) }
                ?? .deliver(candidate.mapping.id)
        }
        return .ignored(rule: mapping.patternRule(against: path) ?? "include: no pattern matches")
    }

    /// Whose the file at an absolute path is.
    ///
    /// - Returns: the mapping, the rule of the deepest mapping that holds it, or `unmapped`.
    public func route(ofAbsolute path: FilePath, size: Int64) -> Route {
        let bytes = MappedFolder.bytes(of: path)
        let holding = mappings.enumerated()
            .compactMap { order, mapping in
                MappedFolder.path(of: bytes, below: MappedFolder.bytes(of: mapping.folder)).map {
                    (order: order, mapping: mapping, below: $0)
                }
            }
            .sorted { ($0.below.bytes.count, $0.order) < ($1.below.bytes.count, $1.order) }
        guard let deepest = holding.first else { return .unmapped }
        return route(of: deepest.below, in: deepest.mapping, size: size)
    }

    /// Whether a scan of `mapping` need not enter the folder `path` below its folder.
    public func directoryIsExcluded(_ path: RelativePath, in mapping: Mapping) -> Bool {
        mapping.excludesDirectory(path)
    }
}

/// A mapping that may take files of another one's folder, and how its paths follow from the other's.
struct RouteCandidate: Hashable, Sendable {
    enum Relation: Hashable, Sendable {
        /// Its folder is the other's, or above it: these names come in front.
        case above(prefix: [UInt8])
        /// Its folder lies below the other's: these names, with a slash, go away.
        case below(prefix: [UInt8])
    }

    let mapping: Mapping
    let relation: Relation

    func path(of path: RelativePath) -> RelativePath? {
        switch relation {
        case .above(let prefix): prefix.isEmpty ? path : RelativePath(bytes: prefix + path.bytes)
        case .below(let prefix):
            path.bytes.starts(with: prefix) ? RelativePath(bytes: Array(path.bytes.dropFirst(prefix.count))) : nil
        }
    }

    /// All that may take files of each mapping, the deepest folder first, then in the order of the file.
    static func table(of mappings: [Mapping]) -> [MappingID: [RouteCandidate]] {
        let folders = mappings.map { MappedFolder.bytes(of: $0.folder) }
        var table: [MappingID: [RouteCandidate]] = [:]
        for (mapping, folder) in zip(mappings, folders) {
            let found = zip(mappings, folders).enumerated().compactMap { order, other in
                relation(of: other.1, to: folder).map {
                    (order, other.1.count, RouteCandidate(mapping: other.0, relation: $0))
                }
            }
            table[mapping.id] = found.sorted { ($1.1, $0.0) < ($0.1, $1.0) }.map(\.2)
        }
        return table
    }

    private static func relation(of other: [UInt8], to folder: [UInt8]) -> Relation? {
        if other == folder { return .above(prefix: []) }
        if let names = MappedFolder.path(of: folder, below: other) {
            return .above(prefix: names.bytes + [UInt8(ascii: "/")])
        }
        return MappedFolder.path(of: other, below: folder).map { .below(prefix: $0.bytes + [UInt8(ascii: "/")]) }
    }
}

/// Paths of folders as bytes.
enum MappedFolder {
    /// `FilePath` has no trailing slash, except for the root.
    static func bytes(of path: FilePath) -> [UInt8] {
        let normal = path.lexicallyNormalized()
        return normal.withPlatformString { start in
            UnsafeBufferPointer(start: start, count: normal.length).map { UInt8(bitPattern: $0) }
        }
    }

    static func path(of bytes: [UInt8], below folder: [UInt8]) -> RelativePath? {
        let slash = UInt8(ascii: "/")
        guard bytes.starts(with: folder) else { return nil }
        let rest = bytes.dropFirst(folder.count)
        // Only the root ends in a slash of its own.
        if folder == [slash] { return RelativePath(bytes: Array(rest)) }
        return rest.first == slash ? RelativePath(bytes: Array(rest.dropFirst())) : nil
    }
}
