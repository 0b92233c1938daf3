/// Which of two or more readings the sandbox takes where Redivis's documentation leaves a question open.
///
/// Each switch has a text form `name=value`, see ``apply(_:)``; docs/sandbox.md lists them all.
public struct SandboxSwitches: Sendable {
    public enum DuplicateName: String, Sendable, CaseIterable { case rename, refuse, second }
    public enum Reuse: String, Sendable, CaseIterable { case accept, refuse }
    public enum HashEncoding: String, Sendable, CaseIterable { case hex, base64, none }
    public enum SizeType: String, Sendable, CaseIterable { case number, string }
    public enum HashTime: String, Sendable, CaseIterable {
        case completed
        case atOnce = "at-once"
    }
    public enum Endpoint: String, Sendable, CaseIterable {
        case present
        case notFound = "404"
        case methodNotAllowed = "405"
        case gone = "410"
    }
    public enum ResumableFlag: String, Sendable, CaseIterable {
        case honour
        case never = "false"
        case always = "true"
    }
    public enum ResumableID: String, Sendable, CaseIterable {
        case accept, refuse
        case noSize = "no-size"
    }
    public enum CreationStatus: String, Sendable, CaseIterable {
        case mixed
        case ok = "200"
        case created = "201"
    }
    public enum ErrorFormat: String, Sendable, CaseIterable { case flat, nested }
    public enum ChunkAnswer: String, Sendable, CaseIterable {
        case resumeIncomplete = "308"
        case override = "override-200"
        case ok = "200"
    }
    public enum StorageOrigin: String, Sendable, CaseIterable { case own, api }
    public enum StorageToken: String, Sendable, CaseIterable { case record, refuse, require }
    public enum SecondVersion: String, Sendable, CaseIterable { case refuse, existing }
    public enum UploadURI: String, Sendable, CaseIterable { case id, name }
    public enum URIEncoding: String, Sendable, CaseIterable { case raw, encoded }
    public enum FinishedLifetime: String, Sendable, CaseIterable {
        case day = "24h"
        case unlimited
    }
    public enum ReleasedWrite: String, Sendable, CaseIterable {
        case badRequest = "400"
        case forbidden = "403"
        case notFound = "404"
    }

    /// `POST …/uploads` with a name that this version of the table has already, names compared as references are.
    public var duplicateName = DuplicateName.rename
    /// Registering an upload id that was registered before.
    public var uploadIDReuse = Reuse.accept
    /// How the MD5 of an upload is written; `none` leaves it null for ever.
    public var hash = HashEncoding.hex
    /// Whether an upload's `size` is a JSON number or a string of digits.
    public var size = SizeType.number
    /// Whether `hash` and `size` are null until the import is completed.
    public var hashWhen = HashTime.completed
    /// The documented `POST …/resumableUpload`.
    public var documentedEndpoint = Endpoint.present
    /// `POST …/tempUploads`, which current clients use.
    public var tempEndpoint = Endpoint.present
    /// The `resumable` flag that `tempUploads` gives back, which clients obey.
    public var resumableFlag = ResumableFlag.honour
    /// Registering an id of the documented endpoint; `no-size` completes the import and never reports a size.
    public var resumableID = ResumableID.accept
    /// `mixed`: 200 for opening uploads, 201 for everything that POST creates.
    public var postStatus = CreationStatus.mixed
    public var errorFormat = ErrorFormat.flat
    /// The answer to a chunk that is not the last; `200` is Redivis's page read literally.
    public var chunkAnswer = ChunkAnswer.resumeIncomplete
    /// On which origin upload URLs are.
    public var storageOrigin = StorageOrigin.own
    /// What a bearer token at an upload URL means. `record` only notes it in the request log.
    public var storageToken = StorageToken.record
    /// `POST …/versions` where a draft is open.
    public var secondVersion = SecondVersion.refuse
    /// Whether an upload's `uri` ends with its id (documentation) or its folded name (clients).
    public var uploadURI = UploadURI.id
    public var uriEncoding = URIEncoding.raw
    /// How long a finished upload can still be registered, counted from its opening.
    public var finishedLifetime = FinishedLifetime.day
    /// Status of a write to a released version.
    public var releasedWrite = ReleasedWrite.badRequest

    public init() {}

    /// A switch that is not known, or a value that it does not have.
    public struct ParseError: Error, CustomStringConvertible, Sendable {
        public var description: String
    }

    /// Sets one switch from its text form, such as `duplicate-name=refuse`. Throws ``ParseError``, which names what
    /// would have been accepted.
    public mutating func apply(_ text: String) throws(ParseError) {
        let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard halves.count == 2 else {
            throw ParseError(description: "switch \(text): write NAME=VALUE, such as duplicate-name=refuse")
        }
        guard let known = Self.all.first(where: { $0.name == halves[0] }) else {
            throw ParseError(
                description: "switch \(halves[0]) is not known; there are \(Self.names.joined(separator: ", "))")
        }
        guard known.set(&self, halves[1]) else {
            throw ParseError(
                description: "switch \(known.name): \(halves[1]) is no value of it; "
                    + "write \(known.values.joined(separator: ", "))")
        }
    }

    /// The names of all switches, in the order of docs/sandbox.md.
    public static var names: [String] { all.map(\.name) }
    /// The values that the named switch accepts, its default first; empty for a name that is not known.
    public static func values(of name: String) -> [String] { all.first { $0.name == name }?.values ?? [] }

    private struct Known {
        var name: String
        var values: [String]
        var set: @Sendable (inout SandboxSwitches, String) -> Bool

        init<Value: RawRepresentable & CaseIterable & Sendable>(
            _ name: String, _ path: any WritableKeyPath<SandboxSwitches, Value> & Sendable
        ) where Value.RawValue == String {
            self.name = name
            values = Value.allCases.map(\.rawValue)
            set = { switches, text in
                guard let value = Value(rawValue: text) else { return false }
                switches[keyPath: path] = value
                return true
            }
        }
    }

    private static let all: [Known] = [
        Known("duplicate-name", \.duplicateName),
        Known("upload-id-reuse", \.uploadIDReuse),
        Known("hash", \.hash),
        Known("size", \.size),
        Known("hash-when", \.hashWhen),
        Known("documented-endpoint", \.documentedEndpoint),
        Known("temp-endpoint", \.tempEndpoint),
        Known("resumable-flag", \.resumableFlag),
        Known("resumable-id", \.resumableID),
        Known("post-status", \.postStatus),
        Known("error-format", \.errorFormat),
        Known("chunk-answer", \.chunkAnswer),
        Known("storage-origin", \.storageOrigin),
        Known("storage-token", \.storageToken),
        Known("second-version", \.secondVersion),
        Known("upload-uri", \.uploadURI),
        Known("uri-encoding", \.uriEncoding),
        Known("released-write", \.releasedWrite),
        Known("finished-lifetime", \.finishedLifetime),
    ]
}
