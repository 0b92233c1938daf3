import Glibc

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
