/// Whether a name ends, before its ending, in the tag that our uploads bear: `-` and 12 lower-case hex digits.
///
/// To be replaced by `UploadName.isTagged(_:)` of the core.
enum UploadTag {
    static func isTagged(_ name: String) -> Bool {
        let bytes = Array(name.utf8)
        let component = bytes.lastIndex(of: UInt8(ascii: "/")).map { Array(bytes[($0 + 1)...]) } ?? bytes
        let stem = component.dropLast(endingLength(component))
        guard stem.count >= 13 else { return false }
        let tag = stem.suffix(13)
        return tag.first == UInt8(ascii: "-") && tag.dropFirst().allSatisfy(isLowerHex)
    }

    private static func isLowerHex(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"): true
        default: false
        }
    }

    /// The last dot suffix, with the one before it where it is `.gz` or `.zip` and both have at most 12 characters.
    private static func endingLength(_ component: [UInt8]) -> Int {
        let dot = UInt8(ascii: ".")
        guard let last = component.lastIndex(of: dot) else { return 0 }
        let single = component.count - last
        let ending = Array(component[last...])
        guard ending == Array(".gz".utf8) || ending == Array(".zip".utf8),
            let before = component[..<last].lastIndex(of: dot)
        else { return single }
        let double = component.count - before
        return double <= 12 ? double : single
    }
}
