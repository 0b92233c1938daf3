import CLinux
import Crypto
import Glibc
import SyncCore
import Synchronization

/// Reads one file ahead and hashes it, on worker threads that never wait: a lane that may not go on rests, and is
/// started again by whoever makes room.
final class HashingReader: Sendable {
    private let state: Mutex<ReadingState>
    private let threads: WorkerThreads
    private let trouble: @Sendable (Int32) -> Failure
    private let shorter: @Sendable (_ end: Int64, _ expected: Int64) -> Failure

    init(
        file: OpenFile, threads: WorkerThreads, trouble: @escaping @Sendable (Int32) -> Failure,
        shorter: @escaping @Sendable (Int64, Int64) -> Failure
    ) {
        state = Mutex(ReadingState(file: file))
        self.threads = threads
        self.trouble = trouble
        self.shorter = shorter
    }

    var file: OpenFile? { state.withLock { $0.file } }

    // MARK: For the one user

    /// Begins a read; returns its number, by which its slices are taken.
    func beginRead(to end: Int64) async -> UInt64 {
        await quiet(.reading)
        let (run, errands) = state.withLock { state in
            let errands = state.beginRead(to: end)
            return (state.run, errands)
        }
        perform(errands)
        return run
    }

    /// The next slice of a read; `nil` at its end.
    func next(in run: UInt64) async throws(Failure) -> [UInt8]? {
        let answer = await withCheckedContinuation { continuation in
            perform(state.withLock { $0.take(in: run, continuation) })
        }
        return try answer.get()
    }

    func rewind(to offset: Int64) async throws(Failure) -> PrefixDigest {
        await quiet(.everything)
        perform(state.withLock { $0.beginRewind(to: offset) })
        // A large file takes minutes, and whoever ends the program does not want to wait for it.
        await withTaskCancellationHandler {
            await wait(for: .everything)
        } onCancel: {
            let interrupted = Failure(.transient, "reading the file was interrupted")
            perform(state.withLock { $0.interrupt(with: interrupted) })
        }
        let (failure, prefix) = state.withLock { ($0.failure, $0.point.prefix) }
        if let failure { throw failure }
        guard prefix.offset == offset else { throw trouble(EBADF) }
        return prefix
    }

    func offset() async -> Int64 {
        await quiet(.reading)
        return state.withLock { $0.point.offset }
    }

    func prefix(at offset: Int64) async -> PrefixDigest? {
        await quiet(.reading)
        return state.withLock { state in
            if let known = state.trail[offset] { return known }
            if let end = state.readEnd, end.offset == offset { return end }
            guard let start = state.start, start.offset == offset else { return nil }
            return start.prefix
        }
    }

    func content() async -> Content {
        await quiet(.everything)
        return state.withLock { $0.point.content }
    }

    /// Whether nothing can be read where the running hash stands.
    func endsHere() async throws(Failure) -> Bool {
        await quiet(.reading)
        let (file, offset) = state.withLock { ($0.file, $0.point.offset) }
        guard let file else { throw trouble(EBADF) }
        var byte: UInt8 = 0
        // At the end of a file of the page cache this is answered without waiting.
        if clinux_read_cached(file.descriptor, &byte, 1, off_t(offset)) == 0 { return true }
        let trouble = trouble
        return try await threads.run { () throws(Failure) in
            var byte: UInt8 = 0
            while true {
                let count = pread(file.descriptor, &byte, 1, off_t(offset))
                if count >= 0 { return count == 0 }
                guard errno == EINTR else { throw trouble(errno) }
            }
        }
    }

    /// The file, for the caller to let go; `nil` where it was closed before.
    func close() -> OpenFile? {
        let (file, errands) = state.withLock { $0.close() }
        perform(errands)
        return file
    }

    private func quiet(_ quiet: ReadingState.Quiet) async {
        state.withLock { $0.pause() }
        await wait(for: quiet)
    }

    private func wait(for quiet: ReadingState.Quiet) async {
        await withCheckedContinuation { continuation in
            perform(state.withLock { $0.wait(for: quiet, continuation) })
        }
    }

    private func strand() {
        perform(state.withLock { $0.strand(with: threads.silence) })
    }

    // MARK: The lanes

    private func perform(_ errands: ReadingState.Errands) {
        if errands.startsReading, !readAtOnce() { threads.submit { self.readOn() } }
        if errands.startsMD5 { threads.submit { self.digestOn() } }
        for (consumer, answer) in errands.answers { consumer.resume(returning: answer) }
        for waiter in errands.woken { waiter.resume() }
    }

    /// Reads and hashes a small rest on the caller's thread, where it is in the page cache: that takes less time than
    /// waking another thread. `false` where the lane has to start after all.
    private func readAtOnce() -> Bool {
        guard let order = state.withLock({ $0.nextOrder() }), order.isTiny else { return false }
        var outcome = ReadingState.ReadOutcome(point: order.from, slice: [])
        outcome.slice = Array(unsafeUninitializedCapacity: order.range.count) { buffer, count in
            let filled = clinux_read_cached(
                order.file.descriptor, buffer.baseAddress, buffer.count, off_t(order.range.lowerBound))
            count = max(filled, 0)
        }
        guard outcome.slice.count == order.range.count else { return false }
        outcome.slice.withUnsafeBytes { Self.hash($0, order, &outcome) }
        perform(state.withLock { $0.finished(order, with: .success(outcome)) })
        perform(state.withLock { $0.rest() })
        return true
    }

    private func readOn() {
        while var order = state.withLock({ $0.nextOrder() }) {
            let buffer = order.takeBuffer()
            let outcome = read(order, into: buffer)
            perform(state.withLock { $0.finished(order, with: outcome) })
        }
        perform(state.withLock { $0.rest() })
    }

    private func digestOn() {
        while var (slice, point) = state.withLock({ $0.nextLagging() }) {
            slice.withUnsafeBytes { point.md5.update(bufferPointer: $0) }
            slice = []
            let done = point
            perform(state.withLock { $0.finishedLagging(done) })
        }
        perform(state.withLock { $0.restLagging() })
    }

    /// Reads and hashes a slice, into a used buffer where it is one of the right size.
    private func read(
        _ order: ReadingState.ReadOrder, into used: consuming [UInt8]
    ) -> Result<ReadingState.ReadOutcome, Failure> {
        let length = Int(order.range.upperBound - order.range.lowerBound)
        var outcome = ReadingState.ReadOutcome(point: order.from, slice: [])
        var failure: Failure?
        func fill(_ buffer: UnsafeMutableRawBufferPointer) {
            do throws(Failure) {
                try fillAndHash(buffer, order, &outcome)
            } catch {
                failure = error
            }
        }
        var slice = used
        if slice.count == length {
            slice.withUnsafeMutableBytes { fill($0) }
        } else {
            slice = Array(unsafeUninitializedCapacity: length) { buffer, count in
                fill(UnsafeMutableRawBufferPointer(buffer))
                count = failure == nil ? length : 0
            }
        }
        if let failure { return .failure(failure) }
        outcome.slice = slice
        return .success(outcome)
    }

    /// In pieces that end at the trail's boundaries, each hashed while it is in the processor's cache.
    private func fillAndHash(
        _ buffer: UnsafeMutableRawBufferPointer, _ order: ReadingState.ReadOrder,
        _ outcome: inout ReadingState.ReadOutcome
    ) throws(Failure) {
        let first = order.range.lowerBound
        while outcome.point.offset < order.range.upperBound {
            let offset = outcome.point.offset
            let end = min(DigestTrail.boundary(after: offset), order.range.upperBound)
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[Int(offset - first)..<Int(end - first)])
            try fill(piece, from: order.file, at: offset, expecting: order.range.upperBound)
            Self.hash(UnsafeRawBufferPointer(piece), order, &outcome)
        }
    }

    /// - Parameter piece: goes on where the outcome stands, up to the next boundary of the trail at most.
    private static func hash(
        _ piece: UnsafeRawBufferPointer, _ order: ReadingState.ReadOrder, _ outcome: inout ReadingState.ReadOutcome
    ) {
        let boundary = DigestTrail.boundary(after: outcome.point.offset)
        outcome.point.sha256.update(bufferPointer: piece)
        if order.includesMD5 { outcome.point.md5.update(bufferPointer: piece) }
        outcome.point.offset += Int64(piece.count)
        if outcome.point.offset == boundary {
            outcome.boundaries.append((boundary, SyncCore.Digest(finishing: outcome.point.sha256)))
        }
    }

    private func fill(
        _ piece: UnsafeMutableRawBufferPointer, from file: OpenFile, at offset: Int64, expecting expected: Int64
    ) throws(Failure) {
        var filled = 0
        while filled < piece.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: piece[filled...])
            let (count, code) = try threads.call(givingUp: { [weak self] in self?.strand() }) {
                (pread(file.descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(filled)), errno)
            }
            if count > 0 {
                filled += count
            } else if count == 0 {
                throw shorter(offset + Int64(filled), expected)
            } else if code != EINTR {
                throw trouble(code)
            }
        }
    }
}
