/// `upload_name` of a mapping: text with `{path}`, `{name}`, `{stem}`, `{extension}`, `{mapping}`, `{host}`.
public struct UploadNameTemplate: Hashable, Sendable {
    /// The template as written.
    public let text: String

    public init(_ text: String) {
        self.text = text
    }
}
