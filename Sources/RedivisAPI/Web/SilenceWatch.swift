import Synchronization

/// Ends requests in which nothing has moved for too long.
///
/// One timer looks after all of them: one of its own for each request would stay with the runtime for as long as the
/// request may be silent, and wake a thread at its end, however soon the request was answered.
final class SilenceWatch: Sendable {
    private struct State {
        var requests: [Int: Watched] = [:]
        var last = 0
        var isLooking = false
    }

    private struct Watched {
        let meter: BodyMeter
        let cancel: @Sendable () -> Void
        var isSilent = false
    }

    private let longest: Duration
    // Requests come and go on many threads, and nothing is waited for inside.
    private let state = Mutex(State())

    /// How much longer than allowed a silence may last.
    private var step: Duration { min(.seconds(1), longest / 8) }

    /// - Parameter longest: so long not one byte may move.
    init(longest: Duration) {
        self.longest = longest
    }

    /// Carries out one request, which is cancelled when nothing moves, or when the caller is.
    ///
    /// - Returns: and whether it was cancelled for its silence. It may have ended well in the same moment.
    func over<Value: Sendable>(
        _ meter: BodyMeter, _ request: @escaping @Sendable () async -> Value
    ) async -> (Value, wentSilent: Bool) {
        let task = Task { await request() }
        let number = begin(Watched(meter: meter, cancel: { task.cancel() }))
        let value = await withTaskCancellationHandler {
            await task.value
        } onCancel: {
            task.cancel()
        }
        return (value, end(number))
    }

    private func begin(_ request: Watched) -> Int {
        let (number, mustLook) = state.withLock { state in
            state.last &+= 1
            state.requests[state.last] = request
            defer { state.isLooking = true }
            return (state.last, !state.isLooking)
        }
        if mustLook { Task { await look() } }
        return number
    }

    private func end(_ number: Int) -> Bool {
        state.withLock { $0.requests.removeValue(forKey: number)?.isSilent ?? false }
    }

    /// Until no request is under way.
    private func look() async {
        while true {
            try? await Task.sleep(for: step)
            let silent: [@Sendable () -> Void]? = state.withLock { state in
                guard !state.requests.isEmpty else {
                    state.isLooking = false
                    return nil
                }
                var silent: [@Sendable () -> Void] = []
                for (number, request) in state.requests
                where !request.isSilent && request.meter.lastProgress.duration(to: .now) >= longest {
                    state.requests[number]?.isSilent = true
                    silent.append(request.cancel)
                }
                return silent
            }
            guard let silent else { return }
            for cancel in silent { cancel() }
        }
    }
}
