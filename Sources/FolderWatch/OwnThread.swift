import Glibc
import Synchronization

/// Runs `body`, which blocks, on a thread started for it, and returns what it returned.
///
/// Listing a directory can take as long as a disk or a network file system likes; Swift's few cooperative threads
/// must not wait for it. Starting a thread costs some ten microseconds, so `body` should have more than that to do.
/// Where no thread can be started it runs here.
package func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
        let run: @Sendable () -> Void = { continuation.resume(returning: body()) }
        if !startThread(run) { run() }
    }
}

/// The same for a task that may be cancelled: it does not wait for `body` then, which goes on by itself.
package func onOwnThreadUnlessCancelled<Value: Sendable>(
    _ body: @escaping @Sendable () -> Value
) async throws -> Value {
    let answer = FirstAnswer<Value>()
    return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { continuation in
            answer.wait(continuation)
            let run: @Sendable () -> Void = { answer.give(.success(body())) }
            if !startThread(run) { run() }
        }
    } onCancel: {
        answer.give(.failure(CancellationError()))
    }
}

/// Resumes a continuation once, whoever comes first.
private final class FirstAnswer<Value: Sendable>: Sendable {
    private enum State {
        case early
        case waiting(CheckedContinuation<Value, any Error>)
        case given(Result<Value, any Error>)
        case over
    }

    // Threads and tasks meet here.
    private let state = Mutex(State.early)

    func wait(_ continuation: CheckedContinuation<Value, any Error>) {
        let given = state.withLock { state -> Result<Value, any Error>? in
            if case .given(let result) = state {
                state = .over
                return result
            }
            state = .waiting(continuation)
            return nil
        }
        if let given { continuation.resume(with: given) }
    }

    func give(_ result: Result<Value, any Error>) {
        let waiting = state.withLock { state -> CheckedContinuation<Value, any Error>? in
            switch state {
            case .waiting(let continuation):
                state = .over
                return continuation
            case .early:
                state = .given(result)
                return nil
            case .given, .over:
                return nil
            }
        }
        waiting?.resume(with: result)
    }
}

/// Runs `body` on a thread of its own. `false` where no thread can be started.
package func startThread(_ body: @escaping @Sendable () -> Void) -> Bool {
    let work = Unmanaged.passRetained(ThreadWork(body))
    var thread = pthread_t()
    guard pthread_create(&thread, nil, runThreadWork, work.toOpaque()) == 0 else {
        work.release()
        return false
    }
    pthread_detach(thread)
    return true
}

private final class ThreadWork: Sendable {
    let run: @Sendable () -> Void

    init(_ run: @escaping @Sendable () -> Void) {
        self.run = run
    }
}

private func runThreadWork(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    Unmanaged<ThreadWork>.fromOpaque(argument).takeRetainedValue().run()
    return nil
}
