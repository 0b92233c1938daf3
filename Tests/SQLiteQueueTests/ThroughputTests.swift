import SyncCore
import Testing

@testable import SQLiteQueue

/// Prints rates and asserts results only: a shared machine says nothing about seconds.
@Suite(.serialized) struct ThroughputTests {
    @Test func scanOfManyFiles() async throws {
        let fixture = try await QueueFixture()
        let files = try (0..<20_000).map { number in
            SeenFile(
                path: try Sample.path("folder \(number % 100)/file \(number).csv"),
                observation: Sample.observation(UInt64(number) + 1), links: 1)
        }
        let clock = ContinuousClock()
        func scan() async throws -> (SeenSummary, Duration) {
            var sum = SeenSummary()
            let start = clock.now
            for batch in stride(from: 0, to: files.count, by: 500) {
                let part = try await fixture.queue.noteSeen(
                    Array(files[batch..<min(batch + 500, files.count)]), in: QueueFixture.weather,
                    lookAgainAfter: .zero, at: QueueFixture.at(1))
                sum.known += part.known
                sum.settling += part.settling
            }
            return (sum, clock.now - start)
        }
        let (first, new) = try await scan()
        #expect(first == SeenSummary(known: 0, settling: files.count))
        let start = clock.now
        while true {
            let due = try await fixture.queue.settlingDue(at: QueueFixture.at(2).monotonic, limit: 500)
            if due.isEmpty { break }
            try await fixture.queue.recordLooks(
                due.map { file in
                    .admit(
                        AdmittedFile(
                            file: file,
                            look: FileLook(observation: file.observation, links: 1, writers: .nobody),
                            table: QueueFixture.table, nameBase: file.path.bytes, disposition: .deliver))
                }, at: QueueFixture.at(2))
        }
        let admitted = clock.now - start
        let (second, known) = try await scan()
        #expect(second == SeenSummary(known: files.count, settling: 0))
        #expect(
            try await fixture.queue.workload(at: QueueFixture.at(3).monotonic, tables: [QueueFixture.table]).live
                == files.count)
        print("20,000 files: seen \(new), admitted \(admitted), seen again \(known)")
    }

    @Test(arguments: [1, 4, 16]) func savesOfConcurrentCallers(callers: Int) async throws {
        let fixture = try await QueueFixture()
        var deliveries: [Delivery] = []
        for number in 0..<callers {
            deliveries.append(try await fixture.admit("f\(number)", Sample.observation(UInt64(number) + 1)))
        }
        let each = 1600 / callers
        let clock = ContinuousClock()
        let start = clock.now
        let saved = try await withThrowingTaskGroup(of: Int.self) { group in
            for delivery in deliveries {
                group.addTask {
                    var delivery = delivery
                    var saved = 0
                    for step in 0..<each {
                        delivery.state = .working(
                            .transferring(
                                Sample.session,
                                TransferProgress(confirmed: Int64(step), prefix: nil, hasUnprovenBytes: false)))
                        let outcome = try await fixture.queue.save(
                            Decision(delivery, "chunk \(step)"), at: QueueFixture.at(30))
                        if outcome == .saved { saved += 1 }
                        delivery.revision += 1
                    }
                    return saved
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(saved == each * callers)
        print("\(callers) callers: \(saved) saves in \(clock.now - start)")
    }
}
