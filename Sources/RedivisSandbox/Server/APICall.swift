/// A request of the API, taken apart but not yet judged.
struct APICall: Sendable {
    var kind: RequestClass
    /// The reference: the path's second segment, decoded.
    var reference: String
    /// The path's fourth segment, decoded: a version's tag or an upload's name.
    var item: String?
    var query: [(name: String, value: String)]
    var isHead: Bool
    var contentType: String?
    var body: [UInt8]
    var fault: SandboxFault.Action?

    /// The value of a query parameter. One that comes twice is refused: nobody says which counts.
    func parameter(_ name: String) throws(APIFailure) -> String? {
        let values = query.filter { $0.name == name }
        guard values.count <= 1 else { throw .invalid("The parameter \(name) came \(values.count) times.") }
        return values.first?.value
    }

    func jsonBody() throws(APIFailure) -> JSON {
        guard contentType?.lowercased().hasPrefix("application/json") == true else {
            throw .invalid("A JSON body needs Content-Type application/json.")
        }
        let value: JSON
        do {
            value = try JSONParser.parse(body)
        } catch {
            throw .invalid("The body is not JSON: \(error).")
        }
        guard case .object = value else { throw .invalid("The body is not a JSON object.") }
        return value
    }

    func datasetReference() throws(APIFailure) -> DatasetReference {
        guard let parsed = DatasetReference(reference) else {
            throw .invalid("\(reference) is not a dataset reference.")
        }
        return parsed
    }

    func tableReference() throws(APIFailure) -> TableReference {
        guard let parsed = TableReference(reference) else { throw .invalid("\(reference) is not a table reference.") }
        return parsed
    }
}

/// What a method and path of the API name.
enum APIRoute {
    struct Match {
        var kind: RequestClass
        var reference: String
        var item: String?
    }

    enum Outcome {
        case match(Match)
        case notFound
        case methodNotAllowed
        case malformed
    }

    /// `path` without its query, still percent-encoded.
    static func find(method: String, path: String) -> Outcome {
        guard path.hasPrefix("/api/v1/") else { return .notFound }
        var segments: [String] = []
        for raw in path.dropFirst("/api/v1/".count).split(separator: "/", omittingEmptySubsequences: false) {
            guard let segment = Percent.decode(raw) else { return .malformed }
            segments.append(segment)
        }
        guard segments.count >= 2, !segments[1].isEmpty, let methods = methods(segments) else { return .notFound }
        guard let kind = methods[method] else { return .methodNotAllowed }
        return .match(
            Match(kind: kind, reference: segments[1], item: segments.count >= 4 ? segments[3] : nil))
    }

    private static func methods(_ segments: [String]) -> [String: RequestClass]? {
        switch (segments[0], segments.count, segments.count > 2 ? segments[2] : "") {
        case ("datasets", 2, _): return ["GET": .getDataset, "HEAD": .headDataset]
        case ("datasets", 3, "versions"): return ["GET": .listVersions, "POST": .postVersions]
        case ("datasets", 4, "versions"):
            return ["GET": .getVersion, "HEAD": .headVersion, "DELETE": .deleteVersion]
        case ("datasets", 5, "versions") where segments[4] == "release": return ["POST": .release]
        case ("datasets", 3, "tables"): return ["GET": .listTables, "POST": .postTables]
        case ("tables", 2, _):
            return ["GET": .getTable, "HEAD": .headTable, "PATCH": .patchTable, "DELETE": .deleteTable]
        case ("tables", 3, "uploads"): return ["GET": .listUploads, "POST": .postUploads]
        case ("tables", 4, "uploads"):
            return ["GET": .getUpload, "HEAD": .headUpload, "DELETE": .deleteUpload]
        case ("tables", 3, "resumableUpload"): return ["POST": .openSession]
        case ("tables", 3, "tempUploads"): return ["POST": .tempUploads]
        default: return nil
        }
    }

    /// The pairs of a query string. Nil where an escape is broken.
    static func query(_ text: Substring) -> [(name: String, value: String)]? {
        var pairs: [(name: String, value: String)] = []
        for piece in text.split(separator: "&") {
            let halves = piece.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Percent.decode(halves[0]),
                let value = Percent.decode(halves.count > 1 ? halves[1] : "")
            else { return nil }
            pairs.append((name, value))
        }
        return pairs
    }
}
