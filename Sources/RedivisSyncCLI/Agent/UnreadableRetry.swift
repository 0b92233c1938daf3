import Logging
import SQLiteQueue
import ServiceLifecycle
import SyncCore
import SystemPackage

/// Takes parked files up again that could not be read: once they can be opened, at most once a minute for each, and less
/// and less often, up to once an hour, where reading fails again after that.
actor UnreadableRetry: Service {
    private let queue: SQLiteQueue
    private let sources: any SourceReader
    private let control: QueueControl
    private let logger: Logger
    private var attempts: [DeliveryID: Attempt] = [:]

    private struct Attempt {
        var next: ContinuousClock.Instant
        var pause: Duration
    }

    static let shortestPause: Duration = .seconds(60)
    static let longestPause: Duration = .seconds(3600)
    /// How often parked files are gone through.
    static let round: Duration = .seconds(15)
    private static let page = 500

    init(queue: SQLiteQueue, sources: any SourceReader, control: QueueControl, logger: Logger) {
        self.queue = queue
        self.sources = sources
        self.control = control
        self.logger = logger
    }

    nonisolated func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.goThrough()
                try? await Task.sleep(for: Self.round)
            }
        }
    }

    private func goThrough() async {
        var parked: Set<DeliveryID> = []
        var last: DeliveryID?
        // Trouble with the queue is told by those who need it more; the next round finds what this one does not.
        while !Task.isCancelled,
            let page = try? await queue.reader.deliveries(in: .parked, after: last, limit: Self.page),
            let end = page.last
        {
            last = end.id
            for delivery in page where delivery.isUnreadable {
                parked.insert(delivery.id)
                await tryAgain(delivery)
            }
        }
        // A file that was read is forgotten here: should it fail once more, that begins anew.
        attempts = attempts.filter { parked.contains($0.key) || $0.value.next > .now }
    }

    private func tryAgain(_ delivery: Delivery) async {
        let now = ContinuousClock.now
        let attempt = attempts[delivery.id] ?? Attempt(next: now, pause: Self.shortestPause)
        guard attempt.next <= now, let folder = control.configuration().mapping(delivery.mapping)?.folder else {
            return
        }
        guard await canBeOpened(delivery, in: folder) else {
            attempts[delivery.id] = Attempt(next: now + Self.shortestPause, pause: attempt.pause)
            return
        }
        attempts[delivery.id] = Attempt(
            next: now + attempt.pause, pause: min(attempt.pause * 2, Self.longestPause))
        if await control.takeUpAgain(delivery) {
            logger.info(
                "can be opened, and is taken up again",
                metadata: ["mapping": "\(delivery.mapping)", "path": "\(delivery.path)"])
        }
    }

    private func canBeOpened(_ delivery: Delivery, in folder: FilePath) async -> Bool {
        do throws(Failure) {
            let open = try await sources.open(delivery.path, in: folder)
            await open.close()
            return true
        } catch {
            // One that is not there any more is found to be gone when it is taken up again.
            return error.kind == .sourceGone && error.scope == .delivery
        }
    }
}

extension Delivery {
    var isUnreadable: Bool {
        if case .parked(.unreadable) = state { true } else { false }
    }
}
