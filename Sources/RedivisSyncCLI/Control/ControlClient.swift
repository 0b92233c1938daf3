import AsyncHTTPClient
import FoundationEssentials
import Glibc
import NIOCore
import NIOHTTP1
import SyncCore
import SystemPackage

/// Asks the agent that holds a state directory, over its control socket.
struct ControlClient: Sendable {
    let socket: FilePath

    init(state: FilePath) {
        socket = state.appending(ControlWire.socketName)
    }

    /// Beyond what the agent allows itself, so that its own word on that comes through.
    private static let margin: Duration = .seconds(5)
    /// More than the longest answer (`ControlOutcome.mostListed` lines).
    private static let longestAnswer = 64 << 20

    /// An agent that is alive answers this at once.
    func status() async throws(CommandFailure) -> ControlAnswer? {
        try await answer(to: .status, within: .seconds(2))
    }

    /// - Parameter patience: until the answer; else as the request says.
    /// - Returns: `nil` where nobody listens.
    func answer(to request: ControlRequest, within patience: Duration? = nil) async throws(CommandFailure)
        -> ControlAnswer?
    {
        guard access(socket.string, F_OK) == 0 || errno != ENOENT else { return nil }
        let answered = await exchange(request, patience ?? request.patience + Self.margin)
        switch answered {
        case .success(let body):
            guard let answer = try? JSONDecoder().decode(ControlAnswer.self, from: Data(body.readableBytesView)) else {
                throw CommandFailure(
                    .somethingLeft,
                    "the answer at \(socket) is none that this version knows; restart the agent, so that both are of "
                        + "one version")
            }
            return answer
        case .failure(let error as IOError) where [ECONNREFUSED, ENOENT].contains(error.errnoCode):
            return nil
        case .failure(let error as IOError) where [EACCES, EPERM].contains(error.errnoCode):
            throw CommandFailure(
                .stateUnusable,
                "the control socket \(socket) is another user's; run this as the user of the agent, or as root")
        case .failure(let error):
            throw CommandFailure(
                .stateHeld,
                "the running agent does not answer at \(socket) (\(Self.words(for: error))); look at its log, and "
                    + "restart it if it hangs")
        }
    }

    private static func words(for error: any Error) -> String {
        switch error as? HTTPClientError {
        case .deadlineExceeded?, .connectTimeout?, .readTimeout?: "it took too long"
        case .remoteConnectionClosed?: "it closed the connection"
        case .some(let error): "\(error)"
        case nil: "\(error)"
        }
    }

    private func exchange(_ request: ControlRequest, _ patience: Duration) async -> Result<ByteBuffer, any Error> {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        // A socket that refuses is an answer: the agent has ended.
        configuration.connectionPool.retryConnectionEstablishment = false
        // An address of a socket is short (`man 7 unix`), and of the library's shorter still: the state directory is
        // named by its descriptor, so that its path may be as long as the agent itself takes.
        let directory = open(socket.removingLastComponent().string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if directory >= 0 { close(directory) } }
        let place = directory >= 0 ? "/proc/self/fd/\(directory)/\(ControlWire.socketName)" : socket.string
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let result: Result<ByteBuffer, any Error>
        do {
            var message = HTTPClientRequest(url: Self.url(of: FilePath(place)))
            message.method = .POST
            message.headers.add(name: "Content-Type", value: "application/json")
            message.headers.add(name: "Connection", value: "close")
            message.body = .bytes(ByteBuffer(bytes: try JSONEncoder().encode(request)))
            let response = try await client.execute(
                message, timeout: .nanoseconds(patience.saturatingNanoseconds))
            result = .success(try await response.body.collect(upTo: Self.longestAnswer))
        } catch {
            result = .failure(error)
        }
        // It can only fail by having been done before.
        try? await client.shutdown()
        return result
    }

    /// The socket's path is the host of the address, every byte that could mean something escaped.
    private static func url(of socket: FilePath) -> String {
        let host = socket.bytes.map { byte in
            let letter = Character(Unicode.Scalar(byte))
            let isPlain = byte < 0x80 && (letter.isLetter || letter.isNumber)
            let digits = String(byte, radix: 16, uppercase: true)
            return isPlain ? String(Unicode.Scalar(byte)) : "%" + (digits.count == 1 ? "0" : "") + digits
        }
        return "http+unix://\(host.joined())\(ControlWire.requestPath)"
    }
}
