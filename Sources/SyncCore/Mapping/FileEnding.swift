/// Where the ending of a name begins, by the one rule that upload names and `{stem}`, `{extension}` share.
///
/// The ending is the last dot suffix of the last component (`.csv`), with the one before it where it is `.gz` or
/// `.zip` and the two together have at most 12 characters (`.csv.gz`, `.shp.zip`). A dot that begins the component
/// begins no ending: `.bashrc` has none, and `.csv.gz` has `.gz`. A dot at the very end is an ending of its own.
/// The 12 characters are counted as the name will show them, escapes included: so the ending of the finished name is
/// the ending that the tag was put before.
enum FileEnding {
    static let longestPair = 12

    /// The index in `bytes` at which the ending begins; `bytes.endIndex` where there is none.
    static func start(in bytes: [UInt8]) -> Int {
        let dot = UInt8(ascii: ".")
        let component = bytes.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        guard let last = bytes.lastIndex(of: dot), last > component else { return bytes.endIndex }
        let ending = bytes[last...]
        guard ending.elementsEqual(".gz".utf8) || ending.elementsEqual(".zip".utf8),
            let before = bytes[..<last].lastIndex(of: dot), before > component,
            EncodedName.characters(in: bytes[before...]) <= longestPair
        else { return last }
        return before
    }
}
