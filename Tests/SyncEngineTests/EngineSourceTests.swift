import SyncCore
import SyncTestSupport
import SystemPackage
import Testing

extension Engine {
    /// The file changes between any two things that the engine asks of it.
    @Suite struct SourceTests {
        enum Change: String, CaseIterable, Sendable {
            case append, overwrite, replace, truncate, remove
        }

        private static let path = Made.path("a.bin")
        private static let original = Made.bytes(262_144 + 100)

        @Test(arguments: Change.allCases, [true, false])
        func `only whole contents are registered, each once`(change: Change, isExisting: Bool) async throws {
            var moment = 0
            while true {
                let bench = EngineBench()
                if !isExisting { try await bench.run() }
                bench.write("a.bin", Self.original)
                let hasChanged = Flag()
                bench.files.setHook { [files = bench.files, moment] _, _, number in
                    guard number == moment else { return }
                    hasChanged.raise()
                    Self.carryOut(change, in: files)
                }
                try await bench.run()
                bench.files.setHook(nil)
                // A change after the last read is what the next run meets.
                try await bench.run()
                try await Self.judge(change, bench, "\(change) at \(moment)")
                guard hasChanged.isRaised else { break }
                moment += 1
            }
            #expect(moment > 8)
        }

        private static func carryOut(_ change: Change, in files: MemoryFolder) {
            switch change {
            case .append: files.append([1, 2, 3], to: path, in: EngineBench.folder)
            case .overwrite: files.write(path, Made.bytes(262_144 + 100, salt: 5), in: EngineBench.folder)
            case .replace: files.replace(path, Made.bytes(262_144 + 100, salt: 5), in: EngineBench.folder)
            case .truncate: files.write(path, Array(original.prefix(1000)), in: EngineBench.folder)
            case .remove: files.remove(path, in: EngineBench.folder)
            }
        }

        private static func changed(_ change: Change) -> [UInt8]? {
            switch change {
            case .append: original + [1, 2, 3]
            case .overwrite, .replace: Made.bytes(262_144 + 100, salt: 5)
            case .truncate: Array(original.prefix(1000))
            case .remove: nil
            }
        }

        private static func judge(_ change: Change, _ bench: EngineBench, _ what: String) async throws {
            let onTable = bench.remote.registrations(on: EngineBench.table).map(\.bytes)
            let whole = [original, changed(change)].compactMap { $0 }
            #expect(onTable.allSatisfy { whole.contains($0) }, "\(what): a mixture\n\(bench.log)")
            #expect(Set(onTable).count == onTable.count, "\(what): twice\n\(bench.log)")
            let states = try await bench.states()["a.bin"] ?? []
            let isOver = states.allSatisfy { [.delivered, .held, .superseded, .gone].contains($0) }
            #expect(isOver, "\(what): \(states)\n\(bench.log)")
            #expect(states.count { $0 == .delivered } == onTable.count, "\(what): \(states)\n\(bench.log)")
            if let now = changed(change), bench.files.bytes(path, in: EngineBench.folder) == now {
                let isHeld = states.last == .held
                #expect(onTable.contains(now) || isHeld, "\(what): the last content is lost\n\(bench.log)")
            }
        }
    }
}
