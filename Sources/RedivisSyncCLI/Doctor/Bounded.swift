import SyncCore

/// Work that is given up after a time. What cannot be interrupted (a name look-up) goes on behind, and nobody waits
/// for it.
enum Bounded {
    static func run<Value: Sendable>(
        _ limit: Duration, _ what: String, _ body: @escaping @Sendable () async throws(Failure) -> Value
    ) async -> Result<Value, Failure> {
        let (results, result) = AsyncStream.makeStream(of: Result<Value, Failure>.self)
        let work = Task {
            do throws(Failure) { result.yield(.success(try await body())) } catch { result.yield(.failure(error)) }
        }
        let clock = Task {
            try? await Task.sleep(for: limit)
            result.yield(.failure(Failure(.transient, "\(what): nothing came within \(Words.duration(limit))")))
        }
        defer {
            work.cancel()
            clock.cancel()
        }
        for await first in results { return first }
        return .failure(Failure(.transient, "\(what): interrupted"))
    }
}
