// FoundationEssentials: base64.
import FoundationEssentials

/// What a person asks of an agent: `retry`, `pause`, `status` and the like. The running agent implements it, reached
/// through its control socket; where no agent runs, a command that holds the state's lock does the same itself.
///
/// Requests and answers are values that travel as JSON between two processes of one machine. An agent may be older
/// or newer than the command that asks: a request that it does not know is refused, and fields that a version lacks
/// are optional.
public protocol AgentControl: Sendable {
    /// Carries out a request. What cannot be done is an answer too.
    func answer(to request: ControlRequest) async -> ControlAnswer
}

/// How the two sides find each other.
public enum ControlWire {
    /// Of the socket, in the state directory.
    public static let socketName = "control.sock"
    /// Where requests are posted; a change that the other side could not read gets another number.
    public static let requestPath = "/v1/control"
}

public enum ControlRequest: Hashable, Codable, Sendable {
    /// Queues parked files again, and takes up again what `forget` left out.
    case retry(paths: [ControlPath])
    /// Queues all parked files of all mappings again.
    case retryAll
    /// Leaves files out, now and in later scans.
    case forget(paths: [ControlPath])
    /// Decides about held files.
    case resolve(paths: [ControlPath], decision: Resolution)
    /// Begins no new transfer of one mapping, or of all where none is named.
    case pause(mapping: MappingID?)
    case resume(mapping: MappingID?)
    /// Agrees to what an edited mapping file would send (`plan --accept`).
    ///
    /// - Parameter edit: which one: the SHA-256 of the file's bytes in hex, or how it begins; `nil`: whichever waits.
    case acceptPlan(edit: String?)
    /// Looks through the folder of one mapping, or of all, once more, and answers when that is over.
    case scan(mapping: MappingID?)
    /// Reads the mapping file and the token again.
    case reload
    case status

    /// The one mapping that it is about, where it names one.
    public var mapping: MappingID? {
        switch self {
        case .pause(let mapping), .resume(let mapping), .scan(let mapping): mapping
        case .retry, .retryAll, .forget, .resolve, .acceptPlan, .reload, .status: nil
        }
    }

    /// How long carrying it out may take before whoever waits is told that it goes on without them. Those that may
    /// touch every row have minutes.
    public var patience: Duration {
        switch self {
        case .status, .reload: .seconds(10)
        case .retry, .forget, .resolve: .seconds(60)
        case .retryAll, .pause, .resume, .acceptPlan: .seconds(600)
        // Of any number of files; whoever waits says how long.
        case .scan: .seconds(86_400)
        }
    }
}

/// A path as a command was given it.
public struct ControlPath: Hashable, Codable, Sendable {
    /// From the root, without `.` and `..`.
    public let absolute: PathBytes
    /// As it was typed, for the words of the answer.
    public let typed: PathBytes

    public init(absolute: [UInt8], typed: [UInt8]) {
        self.absolute = PathBytes(absolute)
        self.typed = PathBytes(typed)
    }
}

/// The bytes of a path. In JSON as base64, since JSON has text only and a name need not be UTF-8.
public struct PathBytes: Hashable, Codable, Sendable {
    public let bytes: [UInt8]

    public init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let data = Data(base64Encoded: text), !data.contains(0) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not a path in base64"))
        }
        bytes = Array(data)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(Data(bytes).base64EncodedString())
    }
}

public enum ControlAnswer: Hashable, Codable, Sendable {
    /// Carried out, as far as it could be.
    case done(ControlOutcome)
    case status(AgentStatus)
    /// Not carried out at all.
    case refused(ControlRefusal)
}

/// What came of a request, path by path and mapping by mapping.
public struct ControlOutcome: Hashable, Codable, Sendable {
    /// What was changed, each as a line for standard output, such as `2024/may.csv: queued again`.
    public private(set) var changed: [String] = []
    /// Changed too, beyond what is listed.
    public private(set) var unlisted = 0
    /// What was named and could not be changed, with the reason, each as a line for standard error.
    public private(set) var refused: [String] = []
    public private(set) var unlistedRefusals = 0

    /// An answer stays small, also where a million files were changed.
    public static let mostListed = 10_000

    public init() {}

    public mutating func change(_ line: String) {
        if changed.count < Self.mostListed { changed.append(line) } else { unlisted += 1 }
    }

    public mutating func refuse(_ line: String) {
        if refused.count < Self.mostListed { refused.append(line) } else { unlistedRefusals += 1 }
    }
}

/// Why a request was not carried out, and what to do.
public struct ControlRefusal: Error, Hashable, Codable, Sendable {
    public enum Kind: String, Codable, Sendable {
        /// The request makes no sense here: an unknown mapping, a request that this version does not know.
        case wrongRequest
        /// This agent does not do it, or not now.
        case unavailable
        /// The state directory cannot be used.
        case stateUnusable
    }

    public let kind: Kind
    public let words: String
    public let remedy: String?

    public init(_ kind: Kind, _ words: String, remedy: String? = nil) {
        self.kind = kind
        self.words = words
        self.remedy = remedy
    }

    public init(_ failure: Failure) {
        self.init(
            failure.kind == .stateUnavailable ? .stateUnusable : .unavailable, failure.summary, remedy: failure.hint)
    }
}

extension ControlRefusal: CustomStringConvertible {
    public var description: String { remedy.map { "\(words); \($0)" } ?? words }
}
