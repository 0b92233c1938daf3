import NIOHTTP1
import SyncCore

/// The header fields of an answer; names without regard to case.
struct WebFields: Hashable, Sendable {
    private let values: [String: [String]]

    init(_ fields: some Sequence<(String, String)>) {
        var values: [String: [String]] = [:]
        for (name, value) in fields { values[name.lowercased(), default: []].append(value) }
        self.values = values
    }

    func all(_ name: String) -> [String] { values[name.lowercased()] ?? [] }

    /// The field's value, where it is there exactly once: two different ones say nothing.
    func one(_ name: String) -> String? {
        let found = all(name)
        return Set(found).count == 1 ? found.first : nil
    }
}

/// An answer, whole. Its classification is pure: these are all facts that it rests on.
struct WebAnswer: Hashable, Sendable {
    let status: Int
    let fields: WebFields
    let body: [UInt8]
    /// The body was longer than what is read of one.
    let isCut: Bool

    init(status: Int, fields: WebFields = WebFields([]), body: [UInt8] = [], isCut: Bool = false) {
        self.status = status
        self.fields = fields
        self.body = body
        self.isCut = isCut
    }

    /// A page for people, where Redivis and its storage host answer programs: something in between spoke.
    var isWebPage: Bool {
        fields.all("content-type").contains { type in
            let type = type.lowercased()
            return type.contains("text/html") || type.contains("application/xhtml")
        }
    }

    /// The `Date` field.
    var serverTime: Timestamp? { fields.one("date").flatMap(HTTPDate.parse) }
}

struct WebRequest: Sendable {
    enum Body: Sendable {
        case empty
        case json([UInt8])
        /// `multipart/form-data` (RFC 7578), written already.
        case form([UInt8], boundary: String)
        /// `length` in bytes.
        case slices(SourceSlices, length: Int64)
    }

    let method: HTTPMethod
    let address: WebAddress
    var fields: [(String, String)] = []
    var body = Body.empty
    /// Whether a success that comes before the whole body was handed over is worth nothing.
    var needsWholeBody = false
    /// The most of an answer's body that is read, in bytes.
    var bodyLimit = 64 << 10
}
