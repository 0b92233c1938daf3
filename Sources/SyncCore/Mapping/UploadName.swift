import Crypto

/// The name of an upload: what the mapping's template came to, with a tag of the content before the ending, so that
/// two contents, two paths, or two names that Redivis folds together never meet on one upload, and the same file on
/// two agents is one upload.
///
/// Corners, decided here:
/// - Bytes that are not UTF-8 are written `%FF`; a `%` of the name stays as it is. The tag comes from the raw bytes,
///   so two names never meet even where their spelling could; a receipt says which path a name belongs to.
/// - The whole name, tag and ending included, has at most 255 bytes. What is cut is the end of what stands before
///   the tag, by whole characters and whole escapes.
/// - An ending so long that name and tag would not fit beside it is cut like any text: the tag then stands last.
/// - `.bashrc` has no ending (see `FileEnding`); its tag stands last. `name.` has the ending `.`.
public enum UploadName {
    /// In bytes.
    public static let longest = 255
    /// In hex digits.
    public static let tagDigits = 12

    /// - Parameters:
    ///   - base: the expanded template, raw (`UploadNameTemplate.expand`).
    ///   - sha256: of the content; 32 bytes.
    public static func make(base: [UInt8], sha256: Digest) -> String {
        let tag = Array("-\(tag(base: base, sha256: sha256))".utf8)
        var start = FileEnding.start(in: base)
        var ending = EncodedName.encode(base[start...])
        if ending.count + tag.count > longest {
            start = base.endIndex
            ending = []
        }
        let room = longest - tag.count - ending.count
        let stem = EncodedName.encode(base[..<start], atMost: room)
        return String(decoding: stem + tag + ending, as: UTF8.self)
    }

    /// The name that a person would give to the upload: without a tag. One that looks as if it had one is an agent's.
    public static func untagged(base: [UInt8]) -> String {
        String(decoding: EncodedName.encode(base[...], atMost: longest), as: UTF8.self)
    }

    /// Whether a name ends in `-` and 12 lower-case hex digits before its ending, or at its very end.
    public static func isTagged(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        return endsInTag(bytes[..<FileEnding.start(in: bytes)]) || endsInTag(bytes[...])
    }

    /// The tag of a name that was made here, with its `-`.
    public static func tag(in name: String) -> String? {
        let bytes = Array(name.utf8)
        return [bytes[..<FileEnding.start(in: bytes)], bytes[...]].first(where: endsInTag).map {
            String(decoding: $0.suffix(tagDigits + 1), as: UTF8.self)
        }
    }

    /// Everything in a name that may be a tag, each with its `-`: where a server renames, its mark may stand before the
    /// ending or behind it.
    public static func tags(in name: String) -> [String] {
        let bytes = Array(name.utf8)
        return bytes.indices.filter { bytes[$0] == UInt8(ascii: "-") }.compactMap { start in
            let end = start + tagDigits + 1
            guard end <= bytes.count, endsInTag(bytes[start..<end]) else { return nil }
            return String(decoding: bytes[start..<end], as: UTF8.self)
        }
    }

    /// The first 12 hex digits of SHA-256 over the raw name, one NUL, and the raw digest of the content.
    static func tag(base: [UInt8], sha256: Digest) -> String {
        var hash = SHA256()
        hash.update(data: base)
        hash.update(data: [0])
        hash.update(data: sha256.bytes)
        return String(Digest(bytes: Array(hash.finalize())).hex.prefix(tagDigits))
    }

    private static func endsInTag(_ bytes: ArraySlice<UInt8>) -> Bool {
        let tail = bytes.suffix(tagDigits + 1)
        guard tail.count == tagDigits + 1, tail.first == UInt8(ascii: "-") else { return false }
        return tail.dropFirst().allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
        }
    }
}

/// Raw bytes as text: UTF-8 as it is, other bytes percent-encoded.
enum EncodedName {
    /// The encoded bytes; stops before the first character or escape that would pass `limit` bytes.
    static func encode(_ raw: ArraySlice<UInt8>, atMost limit: Int = .max) -> [UInt8] {
        var encoded: [UInt8] = []
        var rest = raw
        while let unit = GlobUnit.next(in: rest), let first = rest.first {
            let isEscaped = unit.length == 1 && first >= 0x80
            guard encoded.count + (isEscaped ? 3 : unit.length) <= limit else { break }
            if isEscaped {
                encoded += "%\(Digest(bytes: [first]).hex.uppercased())".utf8
            } else {
                encoded += rest.prefix(unit.length)
            }
            rest = rest.dropFirst(unit.length)
        }
        return encoded
    }

    /// How many characters `part` has in the encoded `whole`.
    static func characters(in part: ArraySlice<UInt8>) -> Int {
        encode(part).count { $0 & 0xC0 != 0x80 }
    }
}
