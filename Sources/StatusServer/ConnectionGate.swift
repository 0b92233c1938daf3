import Glibc
import NIOCore
import Synchronization

/// Who may ask, by the kernel's word (`man 7 unix`, SO_PEERCRED): the file's mode keeps others out already, and a
/// mode can be changed by mistake.
struct PeerRule: Sendable {
    /// The user that the state directory belongs to.
    let owner: UInt32

    func admits(_ user: UInt32) -> Bool { user == owner || user == 0 }
}

/// `struct ucred` of <sys/socket.h>, which needs _GNU_SOURCE there and so is not in Glibc's module.
private struct PeerCredentials: Sendable {
    var process: Int32 = 0
    var user: UInt32 = .max
    var group: UInt32 = .max
}

/// Connections that are open now, so that a shutdown can end them all: one on which nothing is asked would otherwise
/// keep the server waiting.
final class OpenConnections: Sendable {
    /// A lock: connections come and go on any event loop, and the shutdown comes from a task.
    private let channels = Mutex<[ObjectIdentifier: any Channel]?>([:])

    /// More than people and scripts ever open at once; whoever comes then tries again.
    static let most = 64

    /// - Returns: whether there is room, and the server is not ending.
    func add(_ channel: any Channel) -> Bool {
        channels.withLock { channels in
            guard let count = channels?.count, count < Self.most else { return false }
            channels?[ObjectIdentifier(channel)] = channel
            return true
        }
    }

    func remove(_ channel: any Channel) {
        channels.withLock { $0?[ObjectIdentifier(channel)] = nil }
    }

    /// Closes all, and every one that comes later.
    func close() {
        let open = channels.withLock { channels in
            defer { channels = nil }
            return channels ?? [:]
        }
        for channel in open.values { channel.close(promise: nil) }
    }
}

/// Lets a connection in, or closes it before one byte is read.
final class ConnectionGate: ChannelInboundHandler {
    typealias InboundIn = NIOAny

    private let rule: PeerRule
    private let connections: OpenConnections

    init(_ rule: PeerRule, _ connections: OpenConnections) {
        self.rule = rule
        self.connections = connections
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        if connections.add(channel), let options = channel as? any SocketOptionProvider {
            let rule = rule
            let credentials: EventLoopFuture<PeerCredentials> = options.unsafeGetSocketOption(
                level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
            credentials.whenComplete { answer in
                if case .success(let peer) = answer, rule.admits(peer.user) { return }
                channel.close(promise: nil)
            }
        } else {
            channel.close(promise: nil)
        }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        connections.remove(context.channel)
        context.fireChannelInactive()
    }
}
