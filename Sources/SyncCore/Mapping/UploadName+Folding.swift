extension UploadName {
    /// Whether Redivis may mean our name by the one that it answered with: equal, or equal once everything outside
    /// letters, digits and `_` is folded to `_`, runs collapsed and case ignored (api.md 2.2). The content's tag in
    /// the name survives this folding, so two contents never look the same.
    public static func isSame(_ answered: String, _ ours: String) -> Bool {
        answered == ours || folded(answered) == folded(ours)
    }

    private static func folded(_ name: String) -> String {
        var text = ""
        for scalar in name.lowercased().unicodeScalars {
            let isWord = scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
            if isWord {
                text.unicodeScalars.append(scalar)
            } else if text.last != "_" {
                text.append("_")
            }
        }
        return text
    }
}
