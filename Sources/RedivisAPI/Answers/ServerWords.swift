import FoundationEssentials

/// What an answer says for people, fit for a log and an error text: one line, printable, short, without secrets.
struct ServerWords: Hashable, Sendable {
    /// `insufficient_scope` and the like, where told.
    let code: String?
    let text: String?
    /// What a refused token lacks, where told.
    let scope: String?

    /// Reads the API's two error formats (api.md 1.4), a storage host's XML, and plain text.
    ///
    /// - Parameter secrets: what must not be repeated even where the server does.
    init(_ answer: WebAnswer, secrets: [String]) {
        let header = answer.fields.one("x-redivis-error-payload").flatMap(PercentEncoding.decoded)
        let body = header.map { Array($0.utf8) } ?? answer.body
        let clean = { (text: String?) in text.map { Self.clean($0, secrets: secrets) }.flatMap { $0.isEmpty ? nil : $0 }
        }
        if let told = try? JSONDecoder().decode(APIError.self, from: Data(body)), told.text != nil || told.code != nil {
            code = clean(told.code)
            text = clean(told.text ?? told.code)
            scope = clean(told.scope)
        } else {
            (code, scope) = (nil, nil)
            text = answer.isWebPage ? "a web page" : clean(Self.plain(body.prefix(4096)))
        }
    }

    /// 300 printable characters at most.
    static func clean(_ text: String, secrets: [String]) -> String {
        var text = text
        for secret in secrets where secret.utf8.count >= 4 { text = text.replacing(secret, with: "<redacted>") }
        let words = text.split(whereSeparator: \.isWhitespace).map { word in
            word.contains("://") ? "<address>" : String(word)
        }
        let line = words.joined(separator: " ").unicodeScalars.filter { isPrintable($0) }
        let short = String(String.UnicodeScalarView(line.prefix(300)))
        return line.count > 300 ? short + "…" : short
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }

    /// Tags are dropped: Google Cloud Storage answers errors in XML.
    private static func plain(_ bytes: ArraySlice<UInt8>) -> String {
        var isTag = false
        var text: [UInt8] = []
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "<"): isTag = true
            case UInt8(ascii: ">") where isTag:
                isTag = false
                text.append(UInt8(ascii: " "))
            default: if !isTag { text.append(byte) }
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// Flat (`error`, `error_description`) or nested (`error.message`).
private struct APIError: Decodable {
    let code: String?
    let text: String?
    let scope: String?

    private enum Key: String, CodingKey { case error, description = "error_description", scope, message, code }

    init(from decoder: any Decoder) throws {
        let top = try decoder.container(keyedBy: Key.self)
        scope = try? top.decode(String.self, forKey: .scope)
        let description = try? top.decode(String.self, forKey: .description)
        if let nested = try? top.nestedContainer(keyedBy: Key.self, forKey: .error) {
            code = try? nested.decode(String.self, forKey: .code)
            text = (try? nested.decode(String.self, forKey: .message)) ?? description
        } else {
            code = try? top.decode(String.self, forKey: .error)
            text = description ?? (try? top.decode(String.self, forKey: .message))
        }
    }
}
