import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import SyncCore
import SystemPackage

/// Answers commands on a socket (`ControlWire.socketName`) in the state directory: HTTP/1.1 over a Unix socket of mode
/// 0600, for the directory's owner and root alone.
///
///     let server = ControlServer(in: statePath, control: agent)
///     try await server.run()
///
/// On NIO itself: a server of asynchronous channels (Hummingbird's) traps where it is cancelled in the instant that a
/// connection comes in ("Deinited NIOAsyncWriter without calling finish()"), and an agent must end in order.
public struct ControlServer: Sendable {
    /// How much, and how long, one request may take.
    public struct Limits: Sendable {
        /// In bytes. A command line has at most 2 MiB of paths (`man 2 execve`); each travels twice, in base64.
        public var body = 8 << 20
        /// Until the request is whole, and again until the answer is taken.
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

    /// Serves until the task is cancelled; the socket is gone then, and connections that were open are closed. What
    /// somebody asked for shortly before is not waited for.
    ///
    /// - Parameter onListening: called once, when commands can connect.
    /// - Throws: `Failure` of kind `stateUnavailable` where the socket cannot be made; an agent can do without one.
    public func run(onListening: @escaping @Sendable () async -> Void = {}) async throws(Failure) {
        let socket = try ControlSocket(in: directory)
        let connections = OpenConnections()
        let listener = try await listen(on: socket, connections)
        let published: ControlSocket.Published
        do throws(Failure) {
            published = try socket.publish()
        } catch {
            try? await listener.close()
            throw error
        }
        await withTaskCancellationHandler {
            await onListening()
            // Closed by the cancellation alone.
            try? await listener.closeFuture.get()
        } onCancel: {
            listener.close(promise: nil)
        }
        connections.close()
        published.remove()
    }

    private func listen(on socket: ControlSocket, _ connections: OpenConnections) async throws(Failure) -> any Channel {
        let responder = ControlResponder(control: control, limits: limits)
        let rule = rule
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(ConnectionGate(rule, connections))
                    try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: false)
                    try pipeline.addHandler(ControlHandler(responder))
                }
            }
        let descriptor = try socket.bindDraft()
        do {
            return try await bootstrap.withBoundSocket(descriptor).get()
        } catch {
            close(descriptor)
            socket.discardDraft()
            throw socket.failure("\(error)")
        }
    }
}
