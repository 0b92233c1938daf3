import Synchronization

/// What both servers share.
final class SandboxCore: Sendable {
    let configuration: SandboxConfiguration
    let directory: SandboxDirectory
    let transfers: TransferStore
    let catalog: Catalog
    let log: RequestLog
    let faults: FaultPlan
    let chaos: ChaosPlan?
    let jobs = JobQueue()
    let clock = WallClock()
    let rate: RateLimit
    private struct Live {
        var switches: SandboxSwitches
        var origins: SandboxOrigins?
    }
    // A mutex, since requests read what start-up and tests set.
    private let live: Mutex<Live>

    init(configuration: SandboxConfiguration, path: String) throws {
        self.configuration = configuration
        directory = try SandboxDirectory(path: path, keepsBytes: !configuration.sink)
        transfers = try TransferStore(directory: directory, clock: clock)
        catalog = try Catalog(configuration: configuration, directory: directory, transfers: transfers, jobs: jobs)
        log = try RequestLog(path: directory.log, hits: directory.faults)
        faults = FaultPlan(configuration.faults)
        chaos = configuration.chaos.map { ChaosPlan($0) }
        rate = RateLimit(
            requests: configuration.requestsPerMinute, seconds: configuration.rateWindowSeconds)
        live = Mutex(Live(switches: configuration.switches))
    }

    var switches: SandboxSwitches { live.withLock { $0.switches } }

    /// What goes wrong with a request: a named fault, else one of chaos. Both count every request.
    func fault(at request: RequestClass) -> SandboxFault? {
        let drawn = chaos?.fault(at: request)
        return faults.fault(at: request) ?? drawn
    }

    /// Leaves the count of hits in the directory.
    func saveHits() throws(FileFailure) {
        try Files.replace(directory.faults, with: log.hits.json(chaos: configuration.chaos).bytes + [0x0A])
    }

    /// Nil until both servers listen.
    var origins: SandboxOrigins? { live.withLock { $0.origins } }

    func setSwitches(_ switches: SandboxSwitches) async {
        live.withLock { $0.switches = switches }
        await catalog.setSwitches(switches)
    }

    func setPorts(api: Int, storage: Int) async throws -> SandboxOrigins {
        let apiOrigin = "http://127.0.0.1:\(api)"
        let storageOrigin = "http://127.0.0.1:\(storage)"
        try await catalog.setOrigins(api: apiOrigin, storage: storageOrigin)
        let origins = SandboxOrigins(api: apiOrigin + "/api/v1", storage: storageOrigin)
        live.withLock { $0.origins = origins }
        return origins
    }
}

/// A window in which so many API requests are answered, then 429.
final class RateLimit: Sendable {
    struct Verdict: Sendable {
        var limit: Int
        var remaining: Int
        /// Seconds until the window ends, where the request is refused.
        var retryAfter: Int?
        /// Seconds until the window ends, where that is told.
        var reset: Int?
    }

    private let requests: Int?
    /// In milliseconds.
    private let length: Int64
    // A mutex, since every request counts.
    private let window: Mutex<(start: Int64, count: Int)>

    init(requests: Int?, seconds: Int) {
        self.requests = requests
        length = Int64(max(seconds, 1)) * 1000
        window = Mutex((0, 0))
    }

    func take(now: Int64) -> Verdict {
        guard let requests else { return Verdict(limit: 1_000_000, remaining: 1_000_000) }
        return window.withLock { window in
            if now - window.start >= length || now < window.start { window = (now, 0) }
            let left = Int(max(1, (length - (now - window.start) + 999) / 1000))
            let reset = length == 60_000 ? nil : left
            guard window.count < requests else {
                return Verdict(limit: requests, remaining: 0, retryAfter: left, reset: reset)
            }
            window.count += 1
            return Verdict(limit: requests, remaining: requests - window.count, reset: reset)
        }
    }
}
