import SyncCore
import SyncEngine
import SyncTestSupport
import SystemPackage
import Testing

extension Engine {
    @Suite struct DeliveryTests {
        @Test func `a folder is delivered, and a second run sends nothing`() async throws {
            let bench = EngineBench()
            bench.write("a.csv", "one")
            bench.write("deep/er/b.csv", "two")
            bench.write("notes.tmp", "left out")
            let large = Made.bytes(3 * 262_144 + 17)
            bench.write("large.bin", large)
            let first = try await bench.run()
            #expect(first.isWhole && first.unsettled == 0 && first.tableFailures.isEmpty)
            #expect(
                try await bench.states().mapValues(\.last) == [
                    "a.csv": .delivered, "deep/er/b.csv": .delivered, "large.bin": .delivered,
                ], "\(bench.log)")
            let uploads = bench.remote.registrations(on: EngineBench.table)
            #expect(Set(uploads.map(\.bytes)) == [Array("one".utf8), Array("two".utf8), large])
            #expect(uploads.allSatisfy { UploadName.isTagged($0.name) })
            let before = bench.remote.calls.count
            let second = try await bench.run()
            #expect(second.workload.live == 0)
            let later = bench.remote.calls.dropFirst(before).map(\.operation)
            #expect(Set(later).isSubset(of: [.table, .uploads]), "\(later)")
        }

        @Test func `files that come after the first scan are sent while they are read, once`() async throws {
            let bench = EngineBench()
            try await bench.run()
            bench.write("a.csv", Made.bytes(2 * 262_144 + 1))
            try await bench.run()
            #expect(bench.remote.registrations(on: EngineBench.table).map(\.bytes) == [Made.bytes(2 * 262_144 + 1)])
            #expect(try await bench.states() == ["a.csv": [.delivered]])
        }

        @Test func `empty files are skipped, or registered where the mapping says so`() async throws {
            let bench = EngineBench()
            bench.write("empty.csv", "")
            try await bench.run()
            #expect(bench.contents().isEmpty)
            #expect(try await bench.states() == ["empty.csv": [.ignored]])
            bench.configure([EngineBench.mapping(emptyFiles: .register)])
            try await bench.run()
            #expect(bench.contents() == [""], "\(bench.log)")
        }

        @Test func `names are bytes`() async throws {
            let bench = EngineBench()
            let path = try #require(RelativePath(bytes: [0x61, 0xFF, 0x2E, 0x63]))
            bench.files.write(path, Array("latin".utf8), in: EngineBench.folder)
            bench.write("nfd-e\u{301}.csv", "decomposed")
            bench.write("nfd-\u{E9}.csv", "composed")
            try await bench.run()
            #expect(Set(bench.contents()) == ["latin", "decomposed", "composed"], "\(bench.log)")
            #expect(Set(bench.remote.registrations(on: EngineBench.table).map { Array($0.name.utf8) }).count == 3)
        }

        @Test func `touching or rewriting the same bytes sends nothing`() async throws {
            let bench = EngineBench()
            bench.write("a.csv", "one")
            bench.write("b.csv", "two")
            try await bench.run()
            bench.files.touch(Made.path("a.csv"), in: EngineBench.folder)
            bench.files.replace(Made.path("b.csv"), Array("two".utf8), in: EngineBench.folder)
            let sessions = bench.calls(.openSession)
            try await bench.run()
            #expect(bench.calls(.openSession) == sessions)
            #expect(try await bench.states() == ["a.csv": [.delivered], "b.csv": [.delivered]], "\(bench.log)")
        }

        @Test(arguments: [true, false])
        func `hard links are one version`(comeLater: Bool) async throws {
            let bench = EngineBench()
            if comeLater { try await bench.run() }
            bench.write("a.csv", "one")
            bench.files.link(Made.path("a.csv"), to: Made.path("b.csv"), in: EngineBench.folder)
            try await bench.run()
            #expect(bench.contents() == ["one"], "\(bench.log)")
            bench.files.link(Made.path("a.csv"), to: Made.path("c.csv"), in: EngineBench.folder)
            try await bench.run()
            #expect(bench.contents() == ["one"], "\(bench.log)")
        }

        @Test func `a move sends nothing, and a new file at the old path is sent`() async throws {
            let bench = EngineBench()
            try await bench.run()
            bench.write("app.log", "monday")
            try await bench.run()
            // Log rotation.
            bench.files.rename(Made.path("app.log"), to: Made.path("app.log.1"), in: EngineBench.folder)
            bench.write("app.log", "tuesday")
            try await bench.run()
            #expect(bench.contents() == ["monday", "tuesday"], "\(bench.log)")
            let states = try await bench.states()
            #expect(states["app.log.1"] == [.delivered] && states["app.log"] == [.delivered], "\(states)")
        }

        @Test func `two files of one content are two uploads`() async throws {
            let bench = EngineBench()
            bench.write("a.csv", "same")
            bench.write("b.csv", "same")
            try await bench.run()
            #expect(bench.contents() == ["same", "same"])
        }

        @Test(arguments: [ChangePolicy.hold, .ignore])
        func `a delivered file that changes is not sent, and its old content coming back is still delivered`(
            onChange: ChangePolicy
        ) async throws {
            let bench = EngineBench([EngineBench.mapping(onChange: onChange)])
            bench.write("a.csv", "one")
            try await bench.run()
            bench.write("a.csv", "another")
            try await bench.run()
            #expect(bench.contents() == ["one"])
            let changed: PublicState = onChange == .hold ? .held : .ignored
            #expect(try await bench.states()["a.csv"] == [.delivered, changed], "\(bench.log)")
            bench.write("a.csv", "one")
            try await bench.run()
            #expect(bench.contents() == ["one"])
            #expect(try await bench.states()["a.csv"]?.first == .delivered)
            #expect(try await bench.states()["a.csv"]?.contains(.held) == false, "\(bench.log)")
        }

        @Test func `no more sends at once than uploads says, and as many`() async throws {
            let bench = EngineBench(settings: EngineBench.settings(uploads: 3))
            for index in 0..<12 { bench.write("\(index).csv", "content \(index)") }
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { operation, _ throws(Failure) in
                if operation == .send { try? await bench.clock.sleep(for: .seconds(1)) }
            }
            try await bench.run(hands)
            #expect(bench.mostSending == 3)
            #expect(Set(bench.contents()).count == 12)
        }

        @Test func `small files open their sessions while others are sent`() async throws {
            let bench = EngineBench(settings: EngineBench.settings(uploads: 1))
            for index in 0..<12 { bench.write("\(index).csv", "content \(index)") }
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                guard operation == .send, remote.calls(of: .send).isEmpty else { return }
                try? await bench.clock.sleep(for: .seconds(1))
                #expect(remote.calls(of: .openSession).count == 8)
            }
            try await bench.run(hands)
            #expect(bench.mostSending == 1)
            #expect(Set(bench.contents()).count == 12)
        }

        @Test func `a large file does not open a session that it cannot use yet`() async throws {
            let bench = EngineBench(settings: EngineBench.settings(uploads: 1))
            for index in 0..<2 { bench.write("\(index).csv", [UInt8](repeating: UInt8(index), count: 1_100_000)) }
            var hands = EngineBench.Hands()
            hands.beforeRemote = CallHook { [remote = bench.remote] operation, _ throws(Failure) in
                guard operation == .send, remote.calls(of: .send).isEmpty else { return }
                try? await bench.clock.sleep(for: .seconds(1))
                #expect(remote.calls(of: .openSession).count == 1)
            }
            try await bench.run(hands)
            #expect(try await bench.states() == ["0.csv": [.delivered], "1.csv": [.delivered]], "\(bench.log)")
        }

        @Test func `one bad file does not stop the rest`() async throws {
            let bench = EngineBench()
            for index in 0..<5 { bench.write("\(index).csv", "content \(index)") }
            bench.files.setFailure(
                Failure(.unreadable, "2.csv cannot be opened: permission denied"), of: Made.path("2.csv"),
                in: EngineBench.folder)
            try await bench.run()
            #expect(bench.contents().count == 4)
            #expect(try await bench.states()["2.csv"] == [.parked], "\(bench.log)")
        }
    }
}
