import NIOCore
import SyncCore
import Synchronization

/// A file's slices on their way into a request, with what has to be known of them from outside: when something last
/// moved, whether all of it was handed over, what went wrong at the source, and whether the source is still in use.
///
/// The HTTP client reads a body in a task of its own, which may outlive the request: an early answer or a broken
/// connection ends the request while a slice is being read. `close()` waits for that read, so that whoever sent can
/// use the source again when `send` has returned.
final class BodyMeter: Sendable {
    private struct State {
        var lastProgress = ContinuousClock.now
        var isClosed = false
        var isReading = false
        var closing: CheckedContinuation<Void, Never>?
        var handedOver: Int64 = 0
        var sourceFailure: Failure?
    }

    /// Slices are handed on in pieces of this many bytes, at first and wherever the connection is slow. The client asks
    /// for the next piece once the last one is out, so this and the time-out set the slowest rate that counts as
    /// moving (128 KiB in 60 s: 2.2 kB/s).
    static let pieceSize = 128 << 10
    /// What they grow to while each is out within `quickly`: a piece costs four changes of threads, whatever its size.
    static let largestPiece = 1 << 20
    static let quickly: Duration = .milliseconds(20)

    private let length: Int64
    // The client's task, the watchdog and the sender look at it at once.
    private let state = Mutex(State())

    init(length: Int64) {
        self.length = length
    }

    /// When something last moved. A disk that hangs is the source's matter: while it is read, the network is not to
    /// blame.
    var lastProgress: ContinuousClock.Instant { state.withLock { $0.isReading ? .now : $0.lastProgress } }
    var sourceFailure: Failure? { state.withLock(\.sourceFailure) }
    var isComplete: Bool { state.withLock { $0.handedOver == length } }

    func noteProgress() {
        state.withLock { $0.lastProgress = .now }
    }

    /// No slice is asked for from here on, and none is being read.
    func close() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                state.isClosed = true
                if state.isReading { state.closing = continuation }
                return !state.isReading
            }
            if isIdle { continuation.resume() }
        }
    }

    fileprivate func beginReading() throws {
        let isClosed = state.withLock { state in
            state.lastProgress = .now
            if !state.isClosed { state.isReading = true }
            return state.isClosed
        }
        if isClosed { throw Interrupted() }
    }

    fileprivate func endReading() {
        let closing = state.withLock { state in
            state.isReading = false
            state.lastProgress = .now
            defer { state.closing = nil }
            return state.closing
        }
        closing?.resume()
    }

    fileprivate func hand(over count: Int) {
        state.withLock { state in
            state.handedOver += Int64(count)
            state.lastProgress = .now
        }
    }

    /// More bytes than were announced would end up in the next request; fewer would hang this one.
    fileprivate func check(_ count: Int, isLast: Bool) throws {
        let handedOver = state.withLock(\.handedOver)
        guard isLast ? handedOver != length : handedOver + Int64(count) > length else { return }
        throw Failure(.unreadable, "the file gave \(handedOver + Int64(count)) bytes where \(length) were to be read")
    }

    fileprivate func fail(_ error: any Error) {
        let failure = error as? Failure
        state.withLock { $0.sourceFailure = $0.sourceFailure ?? failure }
    }

    private struct Interrupted: Error {}
}

extension SourceSlices {
    /// What is in memory as a whole.
    static func once(_ bytes: [UInt8]) -> SourceSlices {
        SourceSlices {
            var rest: [UInt8]? = bytes
            return SourceSlices.AsyncIterator {
                defer { rest = nil }
                return rest
            }
        }
    }
}

/// The slices as the HTTP client takes them.
struct MeteredBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    let slices: SourceSlices
    let meter: BodyMeter
    /// The one that the connection lives on.
    let loop: any EventLoop

    func makeAsyncIterator() -> Iterator { Iterator(source: slices.makeAsyncIterator(), meter: meter, loop: loop) }

    struct Iterator: AsyncIteratorProtocol {
        var source: SourceSlices.AsyncIterator
        let meter: BodyMeter
        let loop: any EventLoop
        var rest = ByteBuffer()
        var pieceSize = BodyMeter.pieceSize
        var handedOver = ContinuousClock.now

        mutating func next() async throws -> ByteBuffer? {
            // The client tells us to pause from the event loop, which a fast source outruns by a megabyte and more;
            // on a slow connection that would look like minutes without a byte moving. So the last piece is seen off
            // first.
            try await loop.submit {}.get()
            meter.noteProgress()
            let isQuick = handedOver.duration(to: .now) < BodyMeter.quickly
            pieceSize = isQuick ? Swift.min(pieceSize * 2, BodyMeter.largestPiece) : BodyMeter.pieceSize
            while rest.readableBytes == 0 {
                guard let slice = try await readSlice() else { return nil }
                rest = ByteBuffer(bytes: slice)
            }
            let piece = rest.readSlice(length: Swift.min(rest.readableBytes, pieceSize))
            handedOver = .now
            meter.hand(over: piece?.readableBytes ?? 0)
            return piece
        }

        private mutating func readSlice() async throws -> [UInt8]? {
            try meter.beginReading()
            defer { meter.endReading() }
            do {
                let slice = try await source.next()
                try meter.check(slice?.count ?? 0, isLast: slice == nil)
                return slice
            } catch {
                meter.fail(error)
                throw error
            }
        }
    }
}
