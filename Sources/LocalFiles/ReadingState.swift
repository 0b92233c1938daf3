import SyncCore

/// Where the reading and hashing of one file stands: a value, moved on by small steps under the lock of
/// `HashingReader`, so that every rule about who may go on is in one place.
///
/// Two lanes: one reads and does SHA-256, the other does MD5, which takes twice as long. The second may lag by a few
/// slices, no more, so that memory is bounded however slow it is.
struct ReadingState: Sendable {
    /// Slices read and not yet taken, and slices whose MD5 is not done. Together with the one being read and the one
    /// with the consumer this is at most about 12 MiB.
    static let mostReady = 4
    static let mostLagging = 8
    /// In bytes; slices end at multiples of it.
    static let sliceSize: Int64 = 1 << 20
    /// What is left to read, in bytes, up to which MD5 is done on the spot: less than handing it over would save.
    static let smallRest: Int64 = 256 << 10

    enum Lagging: Sendable {
        case slice([UInt8])
        /// The start of a read: the MD5 of that point is to be kept.
        case mark
    }

    typealias Answer = Result<[UInt8]?, Failure>
    typealias Consumer = CheckedContinuation<Answer, Never>

    enum Quiet: Sendable { case reading, everything }

    struct Waiter: Sendable {
        let quiet: Quiet
        let continuation: CheckedContinuation<Void, Never>
    }

    /// What is to be done once the lock is given back.
    struct Errands: Sendable {
        var startsReading = false
        var startsMD5 = false
        var answers: [(Consumer, Answer)] = []
        var woken: [CheckedContinuation<Void, Never>] = []
    }

    /// An order to the reading lane.
    struct ReadOrder: Sendable {
        let from: HashPoint
        let range: Range<Int64>
        /// Whether MD5 is done together with SHA-256.
        let includesMD5: Bool
        private var buffer: [UInt8]
        let file: OpenFile

        init(from: HashPoint, range: Range<Int64>, includesMD5: Bool, buffer: [UInt8], file: OpenFile) {
            self.from = from
            self.range = range
            self.includesMD5 = includesMD5
            self.buffer = buffer
            self.file = file
        }

        /// Whether it is over in some ten microseconds: a short rest within one step of the trail.
        var isTiny: Bool {
            includesMD5 && range.count <= 16 << 10 && range.upperBound <= DigestTrail.boundary(after: range.lowerBound)
        }

        /// A used buffer, or nothing. Moved out, since a second reference would have it copied at the first write.
        mutating func takeBuffer() -> [UInt8] {
            defer { buffer = [] }
            return buffer
        }
    }

    struct ReadOutcome: Sendable {
        var point: HashPoint
        var slice: [UInt8]
        var boundaries: [(offset: Int64, digest: SyncCore.Digest)] = []
    }

    /// `nil` once closed.
    private(set) var file: OpenFile?
    private(set) var point = HashPoint()
    /// Where the last read began.
    private(set) var start: HashPoint?
    private(set) var trail = DigestTrail()
    private(set) var readEnd: PrefixDigest?

    /// Counts reads and rewinds; a consumer of an older one gets nothing more.
    private(set) var run: UInt64 = 0
    private var end: Int64 = 0
    private var delivers = false
    private var isPaused = false
    private var isReading = false
    private var isDigesting = false
    private var ready: [[UInt8]] = []
    private var lagging: [Lagging] = []
    private var spare: [[UInt8]] = []
    private(set) var failure: Failure?
    /// The reading lane is with a call that does not come back: nobody waits for it, and nothing is read any more.
    private var isStranded = false
    private var consumers: [(run: UInt64, continuation: Consumer)] = []
    private var waiters: [Waiter] = []

    init(file: OpenFile) {
        self.file = file
    }

    // MARK: Beginning and ending

    /// Begins a read whose slices are handed out. The reading lane must be quiet.
    mutating func beginRead(to end: Int64) -> Errands {
        start = point
        trail = DigestTrail()
        readEnd = nil
        if !lagging.isEmpty { lagging.append(.mark) }
        return begin(to: end, delivers: true)
    }

    /// Begins to bring the running hash to `offset`. Both lanes must be quiet.
    mutating func beginRewind(to offset: Int64) -> Errands {
        let candidates = [start, point].compactMap { $0 }.filter { $0.offset <= offset }
        point = candidates.max { $0.offset < $1.offset } ?? HashPoint()
        return begin(to: offset, delivers: false)
    }

    private mutating func begin(to end: Int64, delivers: Bool) -> Errands {
        run &+= 1
        self.end = max(end, point.offset)
        self.delivers = delivers
        ready = []
        spare = []
        if !isStranded { failure = nil }
        isPaused = false
        return next()
    }

    /// Lets nothing new be read, without ending the read: the next taker of a slice lets it go on.
    mutating func pause() { isPaused = true }

    /// Ends what is under way with `failure`.
    mutating func interrupt(with failure: Failure) -> Errands {
        self.failure = self.failure ?? failure
        return next()
    }

    /// The reading lane does not come back. Whatever it still brings meets nobody.
    mutating func strand(with failure: Failure) -> Errands {
        isStranded = true
        return interrupt(with: failure)
    }

    /// Gives the file up. What is under way ends by itself and meets nobody.
    mutating func close() -> (OpenFile?, Errands) {
        let file = self.file
        self.file = nil
        run &+= 1
        end = point.offset
        ready = []
        return (file, next())
    }

    /// `nil` where the lanes in question are quiet already.
    mutating func wait(for quiet: Quiet, _ continuation: CheckedContinuation<Void, Never>) -> Errands {
        waiters.append(Waiter(quiet: quiet, continuation: continuation))
        return next()
    }

    mutating func take(in run: UInt64, _ consumer: Consumer) -> Errands {
        if run == self.run { isPaused = false }
        consumers.append((run, consumer))
        return next()
    }

    // MARK: The reading lane

    /// The lane's next order; `nil` where it is to rest.
    mutating func nextOrder() -> ReadOrder? {
        guard isReading, mayRead, let file else { return nil }
        let whole = (point.offset / Self.sliceSize + 1) * Self.sliceSize
        let range = point.offset..<min(whole, end)
        return ReadOrder(
            from: point, range: range,
            includesMD5: end - point.offset <= Self.smallRest && lagging.isEmpty && !isDigesting,
            buffer: spare.popLast() ?? [], file: file)
    }

    mutating func rest() -> Errands {
        isReading = false
        return next()
    }

    mutating func finished(_ order: ReadOrder, with outcome: Result<ReadOutcome, Failure>) -> Errands {
        guard !isStranded else { return next() }
        switch outcome {
        case .failure(let failure):
            self.failure = failure
        case .success(let done):
            let md5 = point.md5
            point = done.point
            if !order.includesMD5 {
                // The MD5 lane may have moved on meanwhile: its value is the one in the state, not the order's.
                point.md5 = md5
                lagging.append(.slice(done.slice))
            }
            if delivers {
                for (offset, digest) in done.boundaries { trail.note(digest.bytes, boundary: offset) }
                if point.offset == end { readEnd = point.prefix }
                if file != nil { ready.append(done.slice) }
            }
        }
        return next()
    }

    // MARK: The MD5 lane

    /// The slice that MD5 is to go on with, and from where; `nil` where the lane is to rest.
    mutating func nextLagging() -> (slice: [UInt8], from: HashPoint)? {
        while isDigesting, let first = lagging.first {
            switch first {
            case .slice(let slice):
                return (slice, point)
            case .mark:
                start?.md5 = point.md5
                lagging.removeFirst()
            }
        }
        return nil
    }

    mutating func finishedLagging(_ md5: HashPoint) -> Errands {
        point.md5 = md5.md5
        if case .slice(let slice)? = lagging.first {
            lagging.removeFirst()
            if !delivers, spare.count < Self.mostLagging { spare.append(slice) }
        }
        return next()
    }

    mutating func restLagging() -> Errands {
        isDigesting = false
        return next()
    }

    // MARK: Who may go on

    private var mayRead: Bool {
        !isPaused && failure == nil && file != nil && point.offset < end && ready.count < Self.mostReady
            && lagging.count < Self.mostLagging
    }

    private mutating func next() -> Errands {
        var errands = Errands()
        var unanswered: [(run: UInt64, continuation: Consumer)] = []
        for consumer in consumers {
            if let answer = answer(for: consumer.run) {
                errands.answers.append((consumer.continuation, answer))
            } else {
                unanswered.append(consumer)
            }
        }
        consumers = unanswered
        if !isReading, mayRead {
            isReading = true
            errands.startsReading = true
        }
        if !isDigesting, !lagging.isEmpty {
            isDigesting = true
            errands.startsMD5 = true
        }
        errands.woken = waiters.filter(isQuiet).map(\.continuation)
        waiters = waiters.filter { !isQuiet($0) }
        return errands
    }

    private func isQuiet(_ waiter: Waiter) -> Bool {
        let isReadQuiet = !isReading || isStranded
        return switch waiter.quiet {
        case .reading: isReadQuiet
        case .everything: isReadQuiet && !isDigesting
        }
    }

    private mutating func answer(for run: UInt64) -> Answer? {
        guard run == self.run else {
            return .failure(Failure(.transient, "this read of the file has ended, since another one began"))
        }
        if !ready.isEmpty { return .success(ready.removeFirst()) }
        if let failure { return .failure(failure) }
        if file == nil { return .failure(Failure(.transient, "this file was closed before it was read")) }
        return point.offset >= end ? .success(nil) : nil
    }
}
