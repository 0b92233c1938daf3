import FoundationEssentials
import SyncCore

extension WebRequest.Body {
    static func json(encoding value: some Encodable) throws(Failure) -> WebRequest.Body {
        .json(try encoded(value))
    }

    /// The upload and its file in one body (api.md 7.3), its parts named as the vendor's client names them.
    ///
    /// - Parameter file: taken as it is: 128 random bits of a boundary are in no file.
    static func form(metadata: some Encodable, file: [UInt8]) throws(Failure) -> WebRequest.Body {
        let boundary = "redivis-sync-\(UInt64.random(in: 0 ... .max))-\(UInt64.random(in: 0 ... .max))"
        let metadata = try encoded(metadata)
        var body: [UInt8] = []
        body.reserveCapacity(metadata.count + file.count + 512)
        // The upload's own name is in the metadata; the file name only says that a part is a file.
        for (name, content) in [("metadata", metadata), ("data", file)] {
            body +=
                "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"; filename=\"\(name)\"\r\n\r\n".utf8
            body += content
            body += "\r\n".utf8
        }
        body += "--\(boundary)--\r\n".utf8
        return .form(body, boundary: boundary)
    }

    private static func encoded(_ value: some Encodable) throws(Failure) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(value))
        } catch {
            throw Failure(.rejected, "a request could not be written as JSON")
        }
    }
}
