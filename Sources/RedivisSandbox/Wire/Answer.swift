/// What goes back to the client, before any fault has touched it.
struct Answer: Sendable {
    var status: Int
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []
    /// Facts for the request log, in the order in which they came up.
    var notes: [JSON.Member] = []
    /// False where a fault of this request found nothing to act on.
    var showsFault = true

    init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    static func json(_ status: Int, _ value: JSON) -> Answer {
        Answer(status: status, headers: [("Content-Type", "application/json; charset=utf-8")], body: value.bytes)
    }

    func noting(_ key: String, _ value: JSON) -> Answer {
        var copy = self
        copy.notes.append(.init(key: key, value: value))
        return copy
    }

    func showingFault(_ shows: Bool) -> Answer {
        var copy = self
        copy.showsFault = shows
        return copy
    }

    func with(_ name: String, _ value: String) -> Answer {
        var copy = self
        copy.headers.append((name, value))
        return copy
    }
}

/// A refusal of the API, in either of the two error formats that Redivis has had.
struct APIFailure: Error, Sendable {
    var status: Int
    var code: String
    var message: String
    var extra: [JSON.Member] = []

    init(_ status: Int, _ code: String, _ message: String, extra: [JSON.Member] = []) {
        self.status = status
        self.code = code
        self.message = message
        self.extra = extra
    }

    static func invalid(_ message: String) -> APIFailure { APIFailure(400, "invalid_request", message) }
    static func notFound(_ what: String) -> APIFailure { APIFailure(404, "not_found", "Not found: \(what)") }

    func body(_ format: SandboxSwitches.ErrorFormat) -> JSON {
        switch format {
        case .flat:
            .object(
                [
                    .init(key: "error", value: .string(code)),
                    .init(key: "error_description", value: .string(message)),
                    .init(key: "status", value: .integer(Int64(status))),
                ] + extra)
        case .nested:
            ["error": ["message": .string(message), "status": .integer(Int64(status))]]
        }
    }

    /// A HEAD has no body: its error travels percent-encoded in a header.
    func answer(_ format: SandboxSwitches.ErrorFormat, isHead: Bool) -> Answer {
        let json = body(format)
        guard isHead else { return .json(status, json) }
        let text = String(decoding: json.bytes, as: UTF8.self)
        return Answer(status: status, headers: [("X-REDIVIS-ERROR-PAYLOAD", Percent.encode(text))])
    }
}

/// A refusal of the storage host, in the words of Google Cloud Storage's XML interface.
struct StorageFailure: Error, Sendable {
    var status: Int
    var code: String
    var message: String
    var isPlainText = false

    init(_ status: Int, _ code: String, _ message: String, isPlainText: Bool = false) {
        self.status = status
        self.code = code
        self.message = message
        self.isPlainText = isPlainText
    }

    var answer: Answer {
        if isPlainText {
            return Answer(
                status: status, headers: [("Content-Type", "text/plain; charset=utf-8")], body: Array(message.utf8))
        }
        let xml =
            "<?xml version='1.0' encoding='UTF-8'?><Error><Code>\(code)</Code><Message>\(message)</Message></Error>"
        return Answer(
            status: status, headers: [("Content-Type", "application/xml; charset=UTF-8")], body: Array(xml.utf8))
    }
}
