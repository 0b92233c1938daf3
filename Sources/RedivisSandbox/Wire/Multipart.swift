/// A reader of `multipart/form-data` (RFC 7578) that is in memory as a whole: the API allows 100 MB at most.
enum Multipart {
    struct Part {
        var name: String
        var fileName: String?
        var contentType: String?
        var body: ArraySlice<UInt8>
    }

    struct Malformed: Error, CustomStringConvertible {
        var description: String
    }

    /// The boundary in a Content-Type header's value; nil where it is another type or has none.
    static func boundary(of contentType: String) -> String? {
        let pieces = contentType.split(separator: ";", omittingEmptySubsequences: false).map { trimmed($0) }
        guard pieces.first?.lowercased() == "multipart/form-data" else { return nil }
        return parameters(pieces.dropFirst())["boundary"].flatMap { $0.isEmpty || $0.utf8.count > 70 ? nil : $0 }
    }

    static func parse(_ body: [UInt8], boundary: String) throws(Malformed) -> [Part] {
        let delimiter = Array("--\(boundary)".utf8)
        guard body.starts(with: delimiter) else {
            throw Malformed(description: "the body does not begin with the boundary")
        }
        var parts: [Part] = []
        var position = delimiter.count
        let innerDelimiter = Array("\r\n".utf8) + delimiter
        while true {
            if body[position...].starts(with: "--".utf8) { return parts }
            guard body[position...].starts(with: "\r\n".utf8) else {
                throw Malformed(description: "a boundary is not followed by a line end")
            }
            position += 2
            guard let end = ByteSearch.firstIndex(of: innerDelimiter, in: body, from: position) else {
                throw Malformed(description: "the closing boundary is missing")
            }
            parts.append(try part(body[position..<end]))
            position = end + innerDelimiter.count
        }
    }

    private static func part(_ bytes: ArraySlice<UInt8>) throws(Malformed) -> Part {
        let blankLine = Array("\r\n\r\n".utf8)
        guard let split = ByteSearch.firstIndex(of: blankLine, in: Array(bytes.prefix(16_384)), from: 0) else {
            throw Malformed(description: "a part's headers do not end")
        }
        let head = String(decoding: bytes.prefix(split), as: UTF8.self)
        var disposition: String?
        var contentType: String?
        for line in head.split(separator: "\r\n") {
            guard let colon = line.firstIndex(of: ":") else {
                throw Malformed(description: "a part's header line has no colon")
            }
            let value = trimmed(line[line.index(after: colon)...])
            switch line[..<colon].lowercased() {
            case "content-disposition": disposition = value
            case "content-type": contentType = value
            default: break
            }
        }
        let pieces = (disposition ?? "").split(separator: ";").map { trimmed($0) }
        let named = parameters(pieces.dropFirst())
        guard pieces.first?.lowercased() == "form-data", let name = named["name"] else {
            throw Malformed(description: "a part has no form-data name")
        }
        let start = bytes.startIndex + split + blankLine.count
        return Part(name: name, fileName: named["filename"], contentType: contentType, body: bytes[start...])
    }

    private static func parameters(_ pieces: some Sequence<String>) -> [String: String] {
        var found: [String: String] = [:]
        for piece in pieces {
            guard let equals = piece.firstIndex(of: "=") else { continue }
            var value = String(piece[piece.index(after: equals)...])
            if value.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") {
                value = String(value.dropFirst().dropLast())
            }
            found[piece[..<equals].lowercased()] = value
        }
        return found
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        var rest = Substring(text)
        while let first = rest.first, first == " " || first == "\t" { rest.removeFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest.removeLast() }
        return String(rest)
    }
}
