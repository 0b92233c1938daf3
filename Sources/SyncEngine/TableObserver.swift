import SyncCore

/// The only one that lists a table. Whoever wants to know something of its uploads gives a reader; one walk serves all
/// that came before it began, and ends as soon as none of them wants to know more.
///
/// What is requested when, and where a walk goes on after a failure, is decided by `TableWalk`; which questions a walk
/// answers is decided here alone: those that were asked before it began.
actor TableObserver {
    private let reference: TableReference
    private let ports: EnginePorts
    private let notice: @Sendable (Noticed) async -> Void
    private var waiting: [Waiter] = []
    private var isWalking = false
    /// How many pages the last walk through the draft took.
    private(set) var draftPages = 1
    /// The furthest that any walk came.
    private(set) var furthestPage = 0

    /// What somebody wants to know.
    struct Reader: Sendable {
        /// The draft is read, and the versions released after this one; `nil`: all.
        var releasedAfter: VersionTag?
        /// Whether what is not met is to count as absent.
        var isProof = true
        /// How long a walk waits for others that want to know something.
        var gathering: Duration = .zero
        /// - Returns: whether nothing more is wanted.
        let read: @Sendable (ListedPage) async throws(Failure) -> Bool
    }

    struct ListedPage: Sendable {
        /// `nil` in a walk that is no proof, before its released versions.
        let table: RemoteTable?
        let place: TableWalk.Place
        let uploads: [RemoteUpload]
    }

    struct Report: Sendable {
        /// Before the first request of the walk.
        let began: MonotonicInstant
        /// As last told; `nil` where a walk that is no proof did not need to ask.
        let table: RemoteTable?
        /// How long the server took to answer.
        let took: Duration
    }

    /// What a page shows beside what was asked for.
    struct Noticed: Sendable {
        let uploads: [RemoteUpload]
        /// Name tags that the walk has shown twice.
        let twice: Set<String>
        /// Of the walk.
        let releasedAfter: VersionTag?
    }

    fileprivate enum Turn {
        case over(Result<Report, Failure>)
        /// The walk before has ended: the next one is this reader's to make.
        case walk
    }

    fileprivate final class Waiter {
        let reader: Reader
        var continuation: CheckedContinuation<Turn, Never>?
        var isDone = false

        init(_ reader: Reader) { self.reader = reader }
    }

    /// How often in a row a page is requested again before the walk fails.
    static let retries = 3

    init(_ reference: TableReference, ports: EnginePorts, notice: @escaping @Sendable (Noticed) async -> Void) {
        self.reference = reference
        self.ports = ports
        self.notice = notice
    }

    /// Returns when a walk that began after the call has shown everything, or all that the reader wanted.
    ///
    /// - Throws: what the walk failed with, or the reader.
    func read(_ reader: Reader) async throws(Failure) -> Report {
        let waiter = Waiter(reader)
        waiting.append(waiter)
        if isWalking {
            let turn = await withCheckedContinuation { waiter.continuation = $0 }
            if case .over(let result) = turn { return try result.get() }
        }
        isWalking = true
        if reader.gathering > .zero { try? await ports.clock.sleep(for: reader.gathering) }
        let served = waiting
        waiting = []
        let result = await walk(for: served)
        // Handed over, never given up in between.
        if let next = waiting.first, let continuation = next.continuation {
            next.continuation = nil
            continuation.resume(returning: .walk)
        } else {
            isWalking = false
        }
        return try (result[ObjectIdentifier(waiter)] ?? .failure(Self.interrupted)).get()
    }

    private static let interrupted = Failure(.transient, scope: .destination, "listing a table was interrupted")

    // MARK: One walk

    /// - Returns: what the readers without a continuation get: the one that walks.
    private func walk(for served: [Waiter]) async -> [ObjectIdentifier: Result<Report, Failure>] {
        let began = ports.clock.now().monotonic
        var results: [ObjectIdentifier: Result<Report, Failure>] = [:]
        var state = WalkState(served, began: began)
        func finish(_ waiter: Waiter, _ result: Result<Report, Failure>) {
            guard !waiter.isDone else { return }
            waiter.isDone = true
            results[ObjectIdentifier(waiter)] = result
            waiter.continuation?.resume(returning: .over(result))
            waiter.continuation = nil
        }
        var failures = 0
        while state.walk.next != .over {
            do throws(Failure) {
                guard let page = try await step(&state) else { continue }
                failures = 0
                for waiter in served where !waiter.isDone && waiter.wants(page.place.version) {
                    do throws(Failure) {
                        if try await waiter.reader.read(page) { finish(waiter, .success(state.report)) }
                    } catch {
                        finish(waiter, .failure(error))
                    }
                }
                if served.allSatisfy(\.isDone) { state.walk.end() }
            } catch {
                failures += 1
                let mayPass = error.kind.passesByItself && state.walk.hasBegun && failures <= Self.retries
                guard mayPass, !Task.isCancelled else {
                    for waiter in served { finish(waiter, .failure(error)) }
                    return results
                }
                let pause = RetryPolicy().delay(
                    afterFailures: failures, jitter: ports.random(), retryAfter: error.retryAfter)
                try? await ports.clock.sleep(for: pause)
            }
        }
        for waiter in served { finish(waiter, .success(state.report)) }
        return results
    }

    fileprivate struct WalkState {
        var walk: TableWalk
        var tags = ListedTags()
        var begun: Set<TableVersion> = []
        let began: MonotonicInstant
        var took: Duration = .zero
        var draftPages = 0

        init(_ served: [Waiter], began: MonotonicInstant) {
            let newest = served.map(\.reader.releasedAfter)
            let oldest = newest.contains(nil) ? nil : newest.compactMap { $0 }.min()
            walk = TableWalk(releasedAfter: oldest, isProof: served.contains { $0.reader.isProof })
            self.began = began
        }

        var report: Report { Report(began: began, table: walk.table, took: took) }
    }

    private func step(_ state: inout WalkState) async throws(Failure) -> ListedPage? {
        let asked = ports.clock.now().monotonic
        let remote = ports.remote(for: reference)
        switch state.walk.next {
        case .over: return nil
        case .table:
            let answer = try await remote.table(reference)
            state.took += ports.clock.now().monotonic.since(asked) ?? .zero
            state.walk.take(answer)
            return nil
        case .list(let version, let page):
            let answer = try await remote.uploads(of: reference, in: version, page: page)
            state.took += ports.clock.now().monotonic.since(asked) ?? .zero
            guard let place = state.walk.take(answer) else { return nil }
            if place.isFirst { state.begin(version) }
            state.draftPages += version == .draft ? 1 : 0
            if version == .draft { draftPages = place.isLast ? state.draftPages : max(draftPages, state.draftPages) }
            furthestPage = max(furthestPage, state.walk.pages)
            let twice = state.tags.meet(answer.uploads)
            await notice(
                Noticed(uploads: answer.uploads, twice: twice, releasedAfter: state.walk.releasedAfter))
            return ListedPage(table: state.walk.table, place: place, uploads: answer.uploads)
        }
    }
}

extension TableObserver.WalkState {
    /// A walk that begins again, because a version was released, forgets what it saw where uploads were before.
    fileprivate mutating func begin(_ version: TableVersion) {
        if version == .draft { draftPages = 0 }
        guard !begun.insert(version).inserted else { return }
        (tags, begun) = (ListedTags(), [version])
    }
}

extension TableObserver.Waiter {
    /// Each reader meets its own versions only, whatever others want.
    fileprivate func wants(_ version: TableVersion) -> Bool {
        switch version {
        case .draft: true
        case .released(let tag): reader.releasedAfter.map { tag > $0 } ?? true
        }
    }
}
