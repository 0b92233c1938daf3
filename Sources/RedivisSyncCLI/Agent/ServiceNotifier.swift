import Glibc

/// Tells the service manager how the agent stands (`man 3 sd_notify`): datagrams to the socket in `NOTIFY_SOCKET`;
/// nothing where there is none.
final class ServiceNotifier: Sendable {
    enum Message {
        case ready
        case reloading
        case stopping
        /// One line for `systemctl status`.
        case status(String)
        case watchdog
    }

    private let descriptor: Int32
    private let address: [UInt8]
    /// How often the manager wants to hear that all is well; `nil` where it does not (`man 3 sd_watchdog_enabled`).
    let watchdogInterval: Duration?

    init(environment: (String) -> String? = { name in getenv(name).map { String(cString: $0) } }) {
        var path = Array((environment("NOTIFY_SOCKET") ?? "").utf8)
        let isAbstract = path.first == UInt8(ascii: "@")
        let isUsable = (isAbstract || path.first == UInt8(ascii: "/")) && path.count < 108
        // An abstract name begins with a NUL in place of the sign (`man 7 unix`).
        if isAbstract { path[0] = 0 }
        address = isUsable ? path : []
        descriptor = isUsable ? socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0) : -1
        let isForUs = environment("WATCHDOG_PID").flatMap { Int32($0) }.map { $0 == getpid() } ?? true
        let microseconds = environment("WATCHDOG_USEC").flatMap { Int64($0) }.flatMap { $0 > 0 ? $0 : nil }
        watchdogInterval = isForUs ? microseconds.map { .microseconds($0) } : nil
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    func tell(_ message: Message) {
        switch message {
        case .ready: send("READY=1")
        case .reloading: send("RELOADING=1\nMONOTONIC_USEC=\(Self.monotonicMicroseconds)")
        case .stopping: send("STOPPING=1")
        case .status(let line): send("STATUS=\(line.split(separator: "\n").joined(separator: " "))")
        case .watchdog: send("WATCHDOG=1")
        }
    }

    private static var monotonicMicroseconds: Int64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000
    }

    /// A manager that does not listen is no trouble of ours.
    private func send(_ text: String) {
        guard descriptor >= 0 else { return }
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: address) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + address.count)
        let bytes = Array(text.utf8)
        _ = withUnsafePointer(to: &target) { target in
            target.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
                sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), target, length)
            }
        }
    }
}
