import FoundationEssentials
import Glibc
import Hummingbird
import Logging
import NIOCore
import Synchronization

/// A local stand-in for Redivis and its storage host: two HTTP servers on 127.0.0.1 that keep what they receive in a
/// directory. See docs/sandbox.md for its behaviours and its files.
public final class Sandbox: Sendable {
    let core: SandboxCore
    private let directory: String
    private let isTemporary: Bool

    /// Opens the directory, taking up what an earlier sandbox left there. Throws ``SandboxStartError`` where it cannot
    /// be used.
    public init(_ configuration: SandboxConfiguration = SandboxConfiguration()) throws {
        (directory, isTemporary) = try Self.directory(configuration.directory)
        do {
            core = try SandboxCore(configuration: configuration, path: directory)
        } catch {
            throw SandboxStartError(description: "the sandbox cannot start on \(directory): \(error)")
        }
    }

    private static func directory(_ given: String?) throws -> (String, Bool) {
        if let given { return (given, false) }
        let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(base)/redivis-sandbox-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else {
            throw SandboxStartError(description: "cannot make a temporary directory in \(base)")
        }
        return (String(cString: made), true)
    }

    /// Where bytes, registrations and the log are.
    public var directoryPath: String { directory }

    /// Serves until the task is cancelled, and returns then. `onListening` is called once, when both servers listen.
    /// Throws where a port cannot be bound or another sandbox has the directory.
    public func run(onListening: @escaping @Sendable (SandboxOrigins) async -> Void) async throws {
        let lock = try lockDirectory()
        let core = core
        defer {
            tidyUp()
            close(lock)
        }
        let (ports, announce) = AsyncStream.makeStream(of: (SandboxResponder.Origin, Int).self)
        let servers: [(SandboxResponder.Origin, Int)] = [
            (.api, core.configuration.port), (.storage, core.configuration.storagePort),
        ]
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (origin, port) in servers {
                    group.addTask {
                        try await Self.server(origin, port: port, core: core) { announce.yield((origin, $0)) }
                    }
                }
                group.addTask { await core.jobs.run() }
                group.addTask {
                    var known: [SandboxResponder.Origin: Int] = [:]
                    for await (origin, port) in ports {
                        known[origin] = port
                        if let api = known[.api], let storage = known[.storage] {
                            await onListening(try await core.setPorts(api: api, storage: storage))
                        }
                    }
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch {
            if !Task.isCancelled { throw error }
        }
    }

    /// What is left to do at the end, for whoever ends the process and not the servers.
    public func tidyUp() {
        // A full disk is no reason to end in another way; the counts are printed as well.
        try? core.saveHits()
        if isTemporary { try? FileManager.default.removeItem(atPath: directory) }
    }

    private static func server(
        _ origin: SandboxResponder.Origin, port: Int, core: SandboxCore, listening: @escaping @Sendable (Int) -> Void
    ) async throws {
        let listener = Listener()
        let application = Application(
            responder: SandboxResponder(origin: origin, core: core),
            server: .http1(configuration: .init(additionalChannelHandlers: [ChannelTuning()])),
            configuration: .init(address: .hostname("127.0.0.1", port: port)),
            onServerRunning: { channel in
                listener.set(channel)
                if let port = channel.localAddress?.port { listening(port) }
            },
            // The request log is the sandbox's own; standard output belongs to the command.
            logger: Logger(label: "sandbox", factory: { _ in SwiftLogNoOpLogHandler() }))
        // Not cancelled with us: a connection that comes in at that very moment would be dropped unhandled, on which NIO
        // traps. So first nobody is let in any more.
        let serving = Task { try await application.run() }
        do {
            try await withTaskCancellationHandler {
                try await serving.value
            } onCancel: {
                Task {
                    await listener.close()
                    serving.cancel()
                }
            }
        } catch {
            if Task.isCancelled { return }
            throw SandboxStartError(description: "cannot serve the \(origin.rawValue) origin on port \(port): \(error)")
        }
    }

    private func lockDirectory() throws -> Int32 {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            if descriptor >= 0 { close(descriptor) }
            throw SandboxStartError(
                description: "another sandbox uses \(directory); stop it, or give this one a directory of its own")
        }
        return descriptor
    }
}

/// The socket that a server accepts connections from.
private final class Listener: Sendable {
    // Set by the server's task, taken by the one that ends it.
    private let channel = Mutex<(any Channel)?>(nil)
    /// What was let in last is in its handler by then.
    private static let settling: Duration = .milliseconds(20)

    func set(_ channel: any Channel) { self.channel.withLock { $0 = channel } }

    func close() async {
        guard let channel = channel.withLock({ $0 }) else { return }
        // It can only fail by being closed already.
        try? await channel.close()
        try? await Task.sleep(for: Self.settling)
    }
}

/// Runs a sandbox for the length of `body`.
public func withSandbox<Result: Sendable>(
    _ configuration: SandboxConfiguration = SandboxConfiguration(),
    _ body: @escaping @Sendable (Sandbox, SandboxOrigins) async throws -> Result
) async throws -> Result {
    let sandbox = try Sandbox(configuration)
    let (listening, announce) = AsyncStream.makeStream(of: SandboxOrigins.self)
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            defer { announce.finish() }
            try await sandbox.run { announce.yield($0) }
        }
        guard let origins = await listening.first(where: { _ in true }) else {
            try await group.next()
            throw SandboxStartError(description: "the sandbox ended before it listened")
        }
        defer { group.cancelAll() }
        return try await body(sandbox, origins)
    }
}
