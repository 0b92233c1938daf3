/// Work that outlives the request which caused it: imports, and requests carried out after their connection has died.
/// The running sandbox performs it and cancels it when it stops.
struct JobQueue: Sendable {
    typealias Job = @Sendable () async -> Void

    private let stream: AsyncStream<Job>
    private let continuation: AsyncStream<Job>.Continuation

    init() {
        (stream, continuation) = AsyncStream.makeStream(of: Job.self)
    }

    func add(_ job: @escaping Job) { continuation.yield(job) }

    func run() async {
        await withDiscardingTaskGroup { group in
            for await job in stream { group.addTask { await job() } }
            group.cancelAll()
        }
    }
}
