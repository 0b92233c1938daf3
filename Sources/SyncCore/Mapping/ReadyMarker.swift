/// `ready_marker`: a file beside another one whose being there, and newer, says that the other is whole.
///
/// A pattern of one name in which `{name}` stands for the other file's name, such as `{name}.done`.
public struct ReadyMarker: Hashable, Sendable {
    /// As the mapping file has it.
    public let text: String
    private let before: [UInt8]
    private let after: [UInt8]

    /// `nil` where `text` does not hold `{name}` exactly once, holds a slash, or is `{name}` alone.
    public init?(_ text: String) {
        let parts = text.split(separator: "{name}", omittingEmptySubsequences: false)
        guard parts.count == 2, !text.contains("/"), text != "{name}" else { return nil }
        self.text = text
        before = Array(parts[0].utf8)
        after = Array(parts[1].utf8)
    }

    /// The marker of the file at `path`; `nil` where its name would be too long for any file system.
    public func marker(of path: RelativePath) -> RelativePath? {
        let (folder, name) = Self.split(path)
        let marker = before + name + after
        return marker.count > 255 ? nil : RelativePath(bytes: folder + marker)
    }

    /// The file that the one at `path` is the marker of; `nil` where its name is no marker's.
    public func subject(of path: RelativePath) -> RelativePath? {
        let (folder, name) = Self.split(path)
        guard name.count > before.count + after.count, name.starts(with: before),
            name.suffix(after.count).elementsEqual(after)
        else { return nil }
        return RelativePath(bytes: folder + name.dropFirst(before.count).dropLast(after.count))
    }

    private static func split(_ path: RelativePath) -> (folder: [UInt8], name: [UInt8]) {
        let bytes = path.bytes
        let start = bytes.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        return (Array(bytes[..<start]), Array(bytes[start...]))
    }
}
