import SyncCore
import SyncEngine
import SyncTestSupport
import SystemPackage
import Testing

extension Engine {
    @Suite struct SettleTests {
        private static let path = Made.path("a.csv")

        @Test func `a file that still grows is waited for and sent whole`() async throws {
            let bench = EngineBench()
            bench.write("a.csv", "0")
            // It grows at the first ten looks.
            bench.files.setHook { [files = bench.files] operation, _, number in
                guard operation == .look, number < 12 else { return }
                files.append(Array("+".utf8), to: Self.path, in: EngineBench.folder)
            }
            try await bench.run()
            let contents = bench.contents()
            #expect(contents.count == 1 && contents[0].hasSuffix("++++++++++"), "\(contents)")
            #expect(try await bench.states() == ["a.csv": [.delivered]])
        }

        @Test func `a file that never stops growing is left after the patience of a run`() async throws {
            let bench = EngineBench()
            bench.write("a.csv", "0")
            bench.write("b.csv", "calm")
            bench.files.setHook { [files = bench.files] operation, path, _ in
                guard operation == .look, path == Self.path else { return }
                files.append(Array("+".utf8), to: Self.path, in: EngineBench.folder)
            }
            let start = bench.clock.run
            let result = try await bench.run(atMost: .seconds(300))
            #expect(bench.contents() == ["calm"])
            #expect(result.workload.settling == 1)
            #expect(bench.clock.run == start + 1)
            let elapsed = Duration.nanoseconds(bench.clock.now().monotonic.nanoseconds)
            #expect(elapsed >= OnceRun.patience && elapsed < OnceRun.patience + .seconds(20), "\(elapsed)")
        }

        @Test func `what somebody writes is left and told, without waiting`() async throws {
            let bench = EngineBench()
            bench.write("a.csv", "half")
            bench.write("b.csv", "whole")
            bench.files.setWriters(.somebody, of: Self.path, in: EngineBench.folder)
            let result = try await bench.run(atMost: .seconds(30))
            #expect(result.unsettled == 1)
            #expect(bench.contents() == ["whole"])
            bench.files.append(Array(" and more".utf8), to: Self.path, in: EngineBench.folder)
            bench.files.setWriters(.nobody, of: Self.path, in: EngineBench.folder)
            let second = try await bench.run()
            #expect(second.unsettled == 0)
            #expect(bench.contents() == ["whole", "half and more"], "\(bench.log)")
        }

        @Test func `a file that goes while it settles leaves nothing behind`() async throws {
            let bench = EngineBench()
            bench.write("a.csv", "short-lived")
            bench.files.setHook { [files = bench.files] operation, _, _ in
                if operation == .look { files.remove(Self.path, in: EngineBench.folder) }
            }
            try await bench.run()
            #expect(bench.contents().isEmpty)
            #expect(try await bench.states().isEmpty)
        }

        @Test func `a folder that is not there forgets nothing`() async throws {
            let bench = EngineBench()
            bench.write("a.csv", "one")
            bench.files.setMounted(false, EngineBench.folder)
            let result = try await bench.run()
            #expect(!result.isWhole)
            bench.files.setMounted(true, EngineBench.folder)
            try await bench.run()
            #expect(bench.contents() == ["one"])
        }

        @Test func `a disk that goes away in the middle loses no file`() async throws {
            for moment in 1...8 {
                let bench = EngineBench()
                bench.write("a.csv", Made.bytes(2 * 262_144 + 5))
                bench.files.setHook { [files = bench.files] _, _, number in
                    if number == moment { files.setMounted(false, EngineBench.folder) }
                }
                try await bench.run()
                bench.files.setHook(nil)
                bench.files.setMounted(true, EngineBench.folder)
                try await bench.run()
                #expect(bench.remote.registrations(on: EngineBench.table).count == 1, "at \(moment): \(bench.log)")
                #expect(try await bench.states()["a.csv"] == [.delivered], "at \(moment): \(bench.log)")
            }
        }
    }
}
