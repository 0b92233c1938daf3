/// A glob over the bytes of a relative path: `*` and `?` stay within one component, `**` crosses them,
/// `[a-z]`, `[!a-z]` and `{a,b}` as in a shell. A pattern without `/` is held against the last component only.
public struct PathPattern: Hashable, Sendable {
    /// The pattern as written.
    public let text: String

    public init(_ text: String) {
        self.text = text
    }
}
