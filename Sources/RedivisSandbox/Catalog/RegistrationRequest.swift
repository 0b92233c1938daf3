/// The body of `POST …/uploads` in its three forms: JSON with an upload id, multipart with the file, or the file alone.
struct RegistrationRequest {
    enum Content {
        case transfer(id: String, field: String)
        case inline(ArraySlice<UInt8>)
    }

    var name: String
    var fields: JSON
    var content: Content

    /// The documentation's limit for a request that carries the file itself.
    static let largestInline = 100_000_000

    init(_ call: APICall) throws(APIFailure) {
        let type = call.contentType ?? ""
        let metadata: JSON
        if let boundary = Multipart.boundary(of: type) {
            (metadata, content) = try Self.multipart(call.body, boundary: boundary)
        } else if type.lowercased().hasPrefix("application/json") {
            metadata = try call.jsonBody()
            content = try Self.transfer(metadata)
        } else {
            guard try call.parameter("name") != nil else {
                throw .invalid("Send JSON, multipart/form-data, or a file with its name in the query.")
            }
            metadata = .object(call.query.map { .init(key: $0.name, value: .string($0.value)) })
            content = .inline(call.body[...])
        }
        fields = metadata
        let given = try call.parameter("name") ?? metadata["name"]?.text ?? ""
        if let value = metadata["name"], !value.isNull, value.text == nil { throw .invalid("name must be a string.") }
        try Self.check(metadata)
        name = given.isEmpty ? "untitled_upload.\(metadata["type"]?.text ?? "delimited")" : given
    }

    private static func multipart(_ body: [UInt8], boundary: String) throws(APIFailure) -> (JSON, Content) {
        let parts: [Multipart.Part]
        do {
            parts = try Multipart.parse(body, boundary: boundary)
        } catch {
            throw .invalid("The multipart body cannot be read: \(error).")
        }
        guard parts.count == 2, parts[0].name == "metadata" else {
            throw .invalid("A multipart body has two parts: the metadata, then the file.")
        }
        let metadata: JSON
        do {
            metadata = try JSONParser.parse(Array(parts[0].body))
        } catch {
            throw .invalid("The metadata part is not JSON: \(error).")
        }
        guard case .object = metadata else { throw .invalid("The metadata part is not a JSON object.") }
        for field in ["tempUploadId", "resumableUploadId"] {
            if let id = metadata[field], !id.isNull { throw .invalid("\(field) and a file at once.") }
        }
        return (metadata, .inline(parts[1].body))
    }

    private static func transfer(_ body: JSON) throws(APIFailure) -> Content {
        if let specification = body["transferSpecification"], !specification.isNull {
            throw .invalid("transferSpecification is not supported here.")
        }
        var found: [Content] = []
        for field in ["tempUploadId", "resumableUploadId"] {
            guard let value = body[field], !value.isNull else { continue }
            guard let id = value.text, !id.isEmpty else { throw .invalid("\(field) must be a string.") }
            found.append(.transfer(id: id, field: field))
        }
        guard found.count == 1, let content = found.first else {
            throw .invalid("Exactly one of tempUploadId and resumableUploadId is needed.")
        }
        return content
    }

    private static let types: Set<String> = [
        "delimited", "stream", "avro", "ndjson", "parquet", "orc", "xls", "xlsx", "dta", "sas7bdat", "sav", "geojson",
        "geojsonl", "json", "shp", "shp.zip", "kml",
    ]
    private static let booleans = ["hasHeaderRow", "skipBadRecords", "hasQuotedNewlines", "allowJaggedRows"]
    private static let strings = ["quoteCharacter", "escapeCharacter", "delimiter"]

    private static func check(_ fields: JSON) throws(APIFailure) {
        if let type = fields["type"], !type.isNull, !(type.text.map(types.contains) ?? false) {
            throw .invalid("type is none of \(types.sorted().joined(separator: ", ")).")
        }
        for key in booleans {
            if let value = fields[key], !value.isNull, value.boolean == nil, value.text == nil {
                throw .invalid("\(key) must be a boolean.")
            }
        }
        for key in strings {
            if let value = fields[key], !value.isNull, value.text == nil { throw .invalid("\(key) must be a string.") }
        }
        if let markers = fields["nullMarkers"], !markers.isNull {
            guard let list = markers.elements, list.allSatisfy({ $0.text != nil }) else {
                throw .invalid("nullMarkers must be a list of strings.")
            }
        }
    }
}
