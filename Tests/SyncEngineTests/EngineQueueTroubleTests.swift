import SyncCore
import SyncEngine
import SyncTestSupport
import Synchronization
import SystemPackage
import Testing

extension Engine {
    /// The disk is full, or a row cannot be written.
    @Suite struct QueueTroubleTests {
        private static let full = Failure(.stateUnavailable, scope: .agent, "the disk is full", hint: "make room")

        @Test func `a write that fails now and then costs time only`() async throws {
            let bench = EngineBench()
            for index in 0..<6 { bench.write("\(index).csv", "content \(index)") }
            let count = Mutex(0)
            var hands = EngineBench.Hands()
            hands.beforeQueue = CallHook { call, _ throws(Failure) in
                guard call.operation == .save || call.operation == .settleContent else { return }
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                if number.isMultiple(of: 5) { throw Self.full }
            }
            try await bench.run(hands)
            try await bench.run()
            #expect(Set(bench.contents()).count == 6 && bench.contents().count == 6, "\(bench.log)")
        }

        @Test func `one row that can never be written does not stop the rest, nor keep the run from ending`()
            async throws
        {
            let bench = EngineBench()
            for index in 0..<3 { bench.write("\(index).csv", "content \(index)") }
            let attempts = Mutex(0)
            var hands = EngineBench.Hands()
            hands.beforeQueue = CallHook { call, _ throws(Failure) in
                guard call.operation == .save, call.delivery?.path == Made.path("1.csv") else { return }
                attempts.withLock { $0 += 1 }
                throw Failure(.stateUnavailable, scope: .delivery, "this row cannot be written")
            }
            try await bench.run(hands, atMost: .seconds(600))
            #expect(Set(bench.contents()) == ["content 0", "content 2"], "\(bench.log)")
            // Not in a circle without a pause.
            #expect(attempts.withLock { $0 } < 200)
            try await bench.run()
            #expect(bench.contents().count == 3, "\(bench.log)")
        }

        @Test func `a queue that is gone for good ends the run with its failure`() async throws {
            let bench = EngineBench()
            bench.write("a.csv", "one")
            var hands = EngineBench.Hands()
            hands.beforeQueue = CallHook { _, number throws(Failure) in
                if number > 20 { throw Self.full }
            }
            await #expect(throws: Self.full) { try await bench.run(hands, atMost: .seconds(600)) }
            try await bench.run()
            #expect(bench.contents() == ["one"])
        }
    }
}
