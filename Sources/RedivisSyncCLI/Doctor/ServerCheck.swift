import RedivisAPI
import SyncCore

/// How far this machine gets towards Redivis: name, connection, encryption, answer, clock.
struct ServerFacts: Sendable {
    let server: RedivisRemote.Server
    /// Whose name was looked up: Redivis's, or that of the proxy on the way.
    var lookedUp: String
    var addresses: Result<[String], Failure>
    /// How long the look-up took.
    var lookUp: Duration
    var greeting: Result<RedivisRemote.Greeting, Failure>
    /// How long the answer took, with connection and handshake.
    var answering: Duration
    /// This machine's clock in the middle of that.
    var localTime: Timestamp

    var isReached: Bool { (try? greeting.get()) != nil }

    var checks: [DoctorCheck] { [namesCheck] + serverChecks }

    private var namesCheck: DoctorCheck {
        switch addresses {
        case .success(let found):
            guard !found.contains(lookedUp) else { return .ok(.names, "\(lookedUp) is an address, no name") }
            let more = found.count > 3 ? " and \(found.count - 3) more" : ""
            let finding =
                "\(lookedUp) is \(found.prefix(3).joined(separator: ", "))\(more), in \(Self.time(lookUp))"
            guard lookUp > .seconds(2) else { return .ok(.names, finding) }
            return .warning(
                .names, finding, "look at the name servers in /etc/resolv.conf: one of them may not answer")
        case .failure(let failure):
            return .problem(
                .names, failure.summary, "check the network, and the name servers: getent hosts \(lookedUp)")
        }
    }

    private var serverChecks: [DoctorCheck] {
        switch greeting {
        case .failure(let failure):
            let way = "let this machine connect to \(server.host):\(server.port), and check `api` in the mapping file"
            return [.problem(.api, failure.summary, failure.hint ?? way)]
        case .success(let greeting):
            return [
                Self.answerCheck(greeting, in: answering), encryptionCheck(greeting.encryption),
                ClockCheck.check(server: greeting.serverTime, local: localTime),
            ]
        }
    }

    private static func answerCheck(_ greeting: RedivisRemote.Greeting, in answering: Duration) -> DoctorCheck {
        let finding = "the API answers, in \(time(answering))"
        if greeting.isWebPage, greeting.status < 400 {
            return .warning(
                .api, "a web page (\(greeting.status)) answers in the place of the API",
                "look for a log-in page or a proxy between this machine and Redivis, and check `api`")
        }
        guard greeting.status >= 500 else { return .ok(.api, finding) }
        return .warning(
            .api, "the API answers \(greeting.status)", "wait: the agent goes on by itself when Redivis does")
    }

    /// Certificates are renewed weeks before they end.
    static let certificateMargin: Int64 = 14 * 86_400_000

    private func encryptionCheck(_ encryption: RedivisRemote.Encryption?) -> DoctorCheck {
        guard let encryption else {
            if server.usesTLS { return .ok(.encryption, "TLS, the certificate is trusted") }
            return .ok(.encryption, "none, and none needed: the address is this machine's own")
        }
        guard let ends = encryption.certificateEnds else {
            return .ok(.encryption, "\(encryption.version), the certificate is trusted")
        }
        let finding = "\(encryption.version), the certificate is trusted and valid until \(Words.time(ends))"
        guard ends.since(localTime) < .milliseconds(Self.certificateMargin) else { return .ok(.encryption, finding) }
        return .warning(
            .encryption, finding, "check this machine's clock; else whoever runs the server has to renew it soon")
    }

    private static func time(_ duration: Duration) -> String { "\(max(duration.saturatingMilliseconds, 0)) ms" }
}

/// This machine's clock against Redivis's.
enum ClockCheck {
    /// Sessions end after a day, and certificates are judged by the clock; minutes do no harm.
    static let tolerance = Duration.seconds(300)

    /// - Parameter server: in whole seconds.
    static func check(server: Timestamp?, local: Timestamp) -> DoctorCheck {
        guard let server else {
            return .warning(.clock, "Redivis's answer has no Date to compare it with", "compare it by hand: date -u")
        }
        let ahead = local.since(server)
        let size = ahead < .zero ? .zero - ahead : ahead
        guard size > tolerance else { return .ok(.clock, "within \(Words.duration(size + .seconds(1))) of Redivis's") }
        return .warning(
            .clock, "\(Words.duration(size)) \(ahead < .zero ? "behind" : "ahead of") Redivis's",
            "sudo timedatectl set-ntp true, or set it by hand")
    }
}

extension ServerFacts {
    static let limit = Duration.seconds(10)

    /// Asks for the name and for an answer at once, each for at most ten seconds.
    init(of remote: RedivisRemote) async {
        server = remote.server
        lookedUp = remote.firstHost
        let (host, first) = (server.host, lookedUp)
        async let names = Self.timed {
            await Bounded.run(Self.limit, "looking up \(first)") { () throws(Failure) in try await remote.addresses() }
        }
        async let answer = Self.timed {
            await Bounded.run(Self.limit, "reaching \(host)") { () throws(Failure) in try await remote.greet() }
        }
        let begun = SystemTime.wall()
        (addresses, lookUp) = await names
        (greeting, answering) = await answer
        localTime = Timestamp(milliseconds: begun.milliseconds + answering.saturatingMilliseconds / 2)
    }

    private static func timed<Value: Sendable>(_ body: @Sendable () async -> Value) async -> (Value, Duration) {
        let begun = ContinuousClock.now
        return (await body(), begun.duration(to: .now))
    }
}
