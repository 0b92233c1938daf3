import Glibc
import Hummingbird
import Logging
import NIOCore
import SyncCore
import Synchronization
import SystemPackage

/// Answers commands on a socket (`ControlWire.socketName`) in the state directory: HTTP/1.1 over a Unix socket of mode 0600,
/// for the directory's owner and root alone.
///
///     let server = ControlServer(in: statePath, control: agent)
///     try await server.run()
public struct ControlServer: Sendable {
    /// How much, and how long, one request may take.
    public struct Limits: Sendable {
        /// In bytes. A command line has at most 2 MiB of paths (`man 2 execve`); each travels twice, in base64.
        public var body = 8 << 20
        /// Until the request is whole, and of a connection on which nothing moves.
        public var time: Duration = .seconds(10)
        /// Until the answer; `nil`: as the request says (`ControlRequest.patience`).
        public var patience: Duration?

        public init() {}
    }

    private let directory: FilePath
    private let control: any AgentControl
    private let limits: Limits
    private let rule: PeerRule

    /// - Parameters:
    ///   - directory: the state directory; whoever serves there holds its lock.
    ///   - owner: the user who may ask, beside root.
    public init(
        in directory: FilePath, control: any AgentControl, limits: Limits = Limits(), owner: UInt32 = geteuid()
    ) {
        self.directory = directory
        self.control = control
        self.limits = limits
        rule = PeerRule(owner: owner)
    }

    /// Serves until the task is cancelled; the socket is gone then, and connections that were open are closed.
    ///
    /// - Parameter onListening: called once, when commands can connect.
    /// - Throws: `Failure` of kind `stateUnavailable` where the socket cannot be made; an agent can do without one.
    public func run(onListening: @escaping @Sendable () async -> Void = {}) async throws(Failure) {
        let socket = try ControlSocket(in: directory)
        let connections = OpenConnections()
        let outcome = Outcome()
        let application = application(socket, connections, outcome, onListening)
        let ended = await withTaskCancellationHandler {
            do {
                try await application.run()
                return nil as Failure?
            } catch {
                return Task.isCancelled ? nil : Self.failure(socket, error)
            }
        } onCancel: {
            connections.close()
        }
        connections.close()
        outcome.published?.remove()
        if outcome.published == nil { socket.discardDraft() }
        if let failure = outcome.failure ?? ended { throw failure }
    }

    private func application(
        _ socket: ControlSocket, _ connections: OpenConnections, _ outcome: Outcome,
        _ onListening: @escaping @Sendable () async -> Void
    ) -> some ApplicationProtocol {
        let rule = rule
        let idle = TimeAmount.nanoseconds(limits.time.saturatingNanoseconds)
        return Application(
            responder: ControlResponder(control: control, limits: limits),
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [ConnectionGate(rule, connections)], idleTimeout: idle)),
            configuration: .init(address: .unixDomainSocket(path: socket.draft.string)),
            onServerRunning: { channel in
                do throws(Failure) {
                    outcome.publish(try socket.publish())
                    await onListening()
                } catch {
                    outcome.fail(error)
                    try? await channel.close()
                }
            },
            // Its words are about HTTP; what matters is told by whoever runs it.
            logger: Logger(label: "control", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    private static func failure(_ socket: ControlSocket, _ error: any Error) -> Failure {
        Failure(
            .stateUnavailable, scope: .agent, "cannot serve the control socket \(socket.path): \(error)",
            hint: "see that the agent may write in its state directory")
    }

    /// What the server's start came to. A lock, since the server tells it from a task of its own.
    private final class Outcome: Sendable {
        private let state = Mutex<(published: ControlSocket.Published?, failure: Failure?)>((nil, nil))

        func publish(_ socket: ControlSocket.Published) { state.withLock { $0.published = socket } }
        func fail(_ failure: Failure) { state.withLock { $0.failure = failure } }
        var published: ControlSocket.Published? { state.withLock { $0.published } }
        var failure: Failure? { state.withLock { $0.failure } }
    }
}
