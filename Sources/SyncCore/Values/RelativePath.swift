/// A path below a mapped folder: one or more names joined by `/`, as the bytes that the file system holds.
///
/// Names are bytes, not text: what is not UTF-8 is kept as it is, and two spellings of one letter stay two names.
public struct RelativePath: Hashable, Comparable, Sendable {
    public let bytes: [UInt8]

    private static let slash = UInt8(ascii: "/")

    /// `nil` for what cannot name a file below a folder: nothing, a NUL, an empty component, `.` or `..`.
    public init?(bytes: [UInt8]) {
        guard !bytes.isEmpty, !bytes.contains(0) else { return nil }
        let components = bytes.split(separator: Self.slash, omittingEmptySubsequences: false)
        for component in components where component.isEmpty || Self.isDots(component) {
            return nil
        }
        self.bytes = bytes
    }

    public init?(_ text: String) {
        self.init(bytes: Array(text.utf8))
    }

    private static func isDots(_ component: ArraySlice<UInt8>) -> Bool {
        component.count <= 2 && component.allSatisfy { $0 == UInt8(ascii: ".") }
    }

    public var components: [ArraySlice<UInt8>] { bytes.split(separator: Self.slash) }

    /// The last component.
    public var name: ArraySlice<UInt8> {
        guard let last = bytes.lastIndex(of: Self.slash) else { return bytes[...] }
        return bytes[(last + 1)...]
    }

    /// The path of `name` in the folder that this path names; `nil` where that is no path.
    public func appending(_ name: [UInt8]) -> RelativePath? {
        RelativePath(bytes: bytes + [Self.slash] + name)
    }

    public static func < (left: RelativePath, right: RelativePath) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    /// The path as text where it is UTF-8.
    public var text: String? { String(validating: bytes, as: UTF8.self) }
}

extension RelativePath: CustomStringConvertible {
    /// For people: control characters and what is not UTF-8 as `\xNN`, so that a name can neither break a line
    /// of a log nor move a cursor.
    public var description: String { Self.printable(bytes) }

    public static func printable(_ bytes: some Collection<UInt8>) -> String {
        func isPlain(_ scalar: Unicode.Scalar) -> Bool {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: false
            // Unicode grows: what a later version adds is shown.
            default: true
            }
        }
        func escaped(_ bytes: some Sequence<UInt8>) -> String {
            bytes.map { byte in
                let digits = String(byte, radix: 16)
                return "\\x" + (digits.count == 1 ? "0" : "") + digits
            }.joined()
        }
        if let text = String(validating: bytes, as: UTF8.self) {
            return text.unicodeScalars.map { isPlain($0) ? String($0) : escaped(UTF8.encode($0) ?? .init()) }.joined()
        }
        // Not UTF-8: ASCII is shown, everything else as its byte.
        return bytes.map { (0x20..<0x7F).contains($0) ? String(Unicode.Scalar($0)) : escaped([$0]) }.joined()
    }
}
