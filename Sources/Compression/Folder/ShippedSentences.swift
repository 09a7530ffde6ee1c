/// The sentences that `--calibration self` uses for an encoder: Examples/calibration-sentences.txt, put here by
/// Scripts/embed-sentences.
public enum ShippedSentences {
    public static let text = #"""
        A boy in a red raincoat jumps over a puddle outside the school gate.\#nTwo women are carrying a sofa up a narrow staircase.
        A brown dog waits beside a bicycle that has been chained to a lamp post.\#nThe old man feeds pigeons from a paper bag.
        A girl is braiding her sister's hair on the porch steps.\#nThree cooks in white aprons argue over a steaming pot.
        A cat sleeps on top of a warm photocopier.\#nSomeone is peeling a mango with a very small knife.
        A goalkeeper dives to her left and misses the ball.\#nHorses graze along a fence half buried in snow.
        A child blows soap bubbles toward a confused puppy.\#nA man with a grey beard plays the accordion in a subway tunnel.
        The surfer paddles hard but the wave breaks ahead of him.\#nA woman in a yellow dress reads the menu posted in the window.
        Several sheep are blocking a country road.\#nA toddler is pushing an empty shopping cart across the parking lot.
        A bird carries a long piece of straw to its nest under the roof.\#nTwo men in helmets inspect the underside of a bridge.
        A waiter balances five plates on one arm.\#nThe climber chalks her hands and looks up at the overhang.
        A lorry loaded with hay moves slowly through the village.\#nA little girl shows her drawing of a whale to the dentist.
        Somebody has left a single glove on the park bench.\#nA group of teenagers is dancing around a speaker on the beach.
        A monkey reaches through the railing for a tourist's sandwich.\#nThe violinist tunes her instrument while the audience coughs.
        A man is sawing a plank balanced between two chairs.\#nA mother lifts her son so that he can press the elevator button.
        Cyclists in bright jerseys lean into the last corner.\#nA black goat stands on the roof of a parked car.
        A street vendor fans the coals beneath rows of corn.\#nTwo puppies are fighting over a torn slipper.
        The swimmer adjusts his goggles and steps onto the block.\#nA young woman is whispering something into her friend's ear.
        A potter shapes a tall vase on a spinning wheel.\#nAn empty swing moves back and forth in the wind.
        A nurse is writing on a whiteboard near the entrance.\#nA man pours gasoline into a rusty lawn mower.
        Five elderly men sit on a wall and watch the harbor.\#nA skater falls, laughs, and gets up again.
        A woman threads a needle by the light of the window.\#nThe elephant sprays dust over its own back.
        A baker slides loaves into a brick oven with a wooden paddle.\#nA boy is trying to open a coconut with a rock.
        A tram passes in front of the old opera house.\#nThe referee shows a yellow card to the captain of the visiting team.
        A squirrel hangs upside down from the bird feeder.\#nA couple is taking a photograph of themselves in front of a waterfall.
        Workers in orange vests repaint the lines of a crosswalk.\#nA man wearing headphones walks straight past his own bus.
        An otter floats on its back and cracks a shell against its chest.\#nTears run down her cheeks as she chops the onions.
        The magician pulls an endless scarf from his sleeve.\#nChildren chase a rolling tire down the hill.
        A farmer scatters grain in front of a noisy crowd of geese.\#nA man in a suit sleeps on the last train home.
        The girl presses her nose against the glass of the aquarium.\#nA helicopter lowers a basket toward the sinking boat.
        A lizard basks on the warm bonnet of a taxi.\#nTwo carpenters lift a heavy oak door onto its hinges.
        A boy in a wheelchair throws a basketball through the hoop.\#nA large crowd waits behind the barrier for the runners to appear.
        A woman is washing a very muddy dog in a plastic tub.\#nA janitor mops the floor of an empty gymnasium.
        Fog covers the lower half of the suspension bridge.\#nA street musician counts the coins in her guitar case.
        A deer looks up from the stream and freezes.\#nSomeone is drawing a map in the sand with a stick.
        A man drops his ice cream and stares at it.\#nThe twins are wearing the same coat in different colors.
        Parliament approved the new housing bill after a debate that lasted until midnight.\#nFlood waters forced hundreds of families to leave their homes on Tuesday.
        The central bank left its key interest rate unchanged for the third month in a row.\#nRail workers announced a two-day strike over pay and night shifts.
        A court has ordered the mining company to pay for cleaning the river.\#nPolice are looking for a driver who left the scene of an accident near the stadium.
        The president arrived in the capital for talks on border security.\#nWheat prices rose sharply after a dry spring in the northern plains.
        Firefighters brought the warehouse blaze under control shortly before dawn.\#nThe airline will cut a tenth of its staff, its chairman said.
        Thousands marched through the city to demand cleaner air.\#nAn earthquake of moderate strength shook the coast but caused no serious damage.
        The opposition leader rejected the offer of a coalition.\#nScientists reported the first sighting of the rare frog in forty years.
        Shares in the carmaker fell nine percent after it warned of weaker sales.\#nVoters will choose a new mayor on Sunday.
        The museum returned a carved mask to the village from which it was taken.\#nTwo hikers missing since Friday were found alive in a mountain hut.
        The ministry denied that any ransom had been paid.\#nThe cease-fire held through the night, according to observers on both sides.
        A former treasurer of the club has been charged with fraud.\#nThe storm left a quarter of a million households without electricity.
        Health officials urged parents to have their children vaccinated before the school year begins.\#nThe company recalled forty thousand heaters because of a faulty switch.
        Negotiators failed to agree on fishing quotas for the coming year.\#nThe singer cancelled her tour on the advice of her doctors.
        The unemployment rate dropped to its lowest level in eleven years.\#nA cargo ship ran aground near the entrance of the canal.
        The striker signed a three-year contract with his former club.\#nThe city council wants to close the old market hall and build apartments.
        Investigators believe that a gas leak caused the explosion.\#nA small plane landed safely on a motorway after its engine failed.
        The prime minister reshuffled her cabinet after two resignations.\#nOil fell below sixty dollars a barrel as exporters raised output.
        Prosecutors have asked for a sentence of twelve years.\#nThe telescope was damaged by hail and will stay closed until spring.
        Border guards stopped a truck that was carrying protected tortoises.\#nA retired teacher won the national chess title at the age of seventy-one.
        Three banks were fined for hiding fees from their customers.\#nHeavy snow closed the mountain passes and delayed the mail.
        How do I stop my bread from sticking to the baking tin?\#nIs it safe to charge a phone overnight?
        What is the difference between a lake and a reservoir?\#nCan I grow tomatoes on a balcony that faces north?
        Why does my car make a clicking sound when I turn left?\#nHas anyone here learned to swim as an adult?
        Which of these two novels would you give to a twelve-year-old?\#nShould I tell my landlord about the damp wall before I move out?
        How long does paint need to dry before the second coat?\#nDo cats really remember people they have not seen for years?
        What should I wear to a job interview at a bakery?\#nWhere can I find a reliable translation of these letters?
        How much water does an olive tree need in its first summer?\#nIs there any way to recover a file that I overwrote yesterday?
        Why do airplanes leave white lines in the sky on some days and not on others?\#nWould you rather live near your work or near your family?
        How can I tell my neighbor that his dog barks all night?\#nWhat is a fair price for a used piano that needs tuning?
        Can a vegetarian get enough iron without taking pills?\#nDoes anyone know whether the ferry runs in winter?
        How do you remove candle wax from a wool carpet?\#nWhat happens to a savings account when the owner dies?
        Is it rude to leave a party without saying goodbye?\#nWhy is my sourdough starter full of liquid on the top?
        How do I convince my father to see a doctor?\#nYou can usually fix a dripping tap by replacing a washer that costs almost nothing.
        Soak the beans overnight and throw the water away before you cook them.\#nI would not buy the cheaper model, because the battery cannot be replaced.
        Write the date on the jar before you put it in the freezer.\#nThere is no single right answer, but most people start with a budget of ten percent.
        To sharpen the blade, keep the angle constant and use light pressure.\#nIf the cake sinks in the middle, the oven was probably opened too early.
        Back up your photographs in two places, and keep one of them outside the house.\#nWater the seedlings from below so that their stems do not rot.
        You should ask for a written estimate before the mechanic touches the engine.\#nFold the egg whites in gently or the mixture will collapse.
        Never leave a pan of hot oil unattended.\#nLoosen all the nuts a little before you jack up the car.
        Cut the fabric along the grain and pin it every few inches.\#nIt helps to read the sentence aloud and listen for the place where you stumble.
        Rub the inside of the bowl with half a clove of garlic.\#nTurn off the power at the fuse box before you change the switch.
        Rinse the rice until the water runs clear.\#nWhen in doubt, measure twice and cut once.
        Let the dough rest for an hour under a damp cloth.\#nIf you feel dizzy on the trail, sit down, drink something, and turn back.
        Store potatoes in the dark, away from onions.\#nAdd the vinegar last, otherwise the milk will curdle.
        Keep your elbows in and your back straight while you row.\#nA simple way to find a leak in a tire is to hold it under water.
        The moon always shows the same face to the earth.\#nSound travels faster through steel than through air.
        Bees dance to tell each other where the flowers are.\#nMost of the fresh water on the planet is locked in ice.
        Iron rusts more quickly in the presence of salt.\#nThe heart of a blue whale weighs about as much as a small car.
        Light from the nearest star beyond the sun takes more than four years to reach us.\#nPlants open small pores in their leaves to take in carbon dioxide.
        The experiment failed because the samples had been stored at the wrong temperature.\#nBacteria that live in the gut help us to digest fiber.
        Volcanic soil is often very fertile.\#nThe tilt of the earth's axis, not its distance from the sun, causes the seasons.
        A virus cannot reproduce outside a living cell.\#nOctopuses have three hearts and blue blood.
        The glacier has lost a third of its length since it was first surveyed.\#nCopper conducts electricity better than aluminum but costs more.
        Researchers trained crows to drop stones into a tube until the food floated within reach.\#nThe new vaccine protected most of the volunteers for at least two years.
        Salmon find their way back to the stream in which they hatched.\#nA falling feather and a falling hammer hit the ground together where there is no air.
        Coral reefs turn white when the sea stays too warm for weeks.\#nThe skeleton belonged to a young woman who had walked long distances all her life.
        Ants of this species farm a fungus inside their nest.\#nThe satellite measures the height of the ocean to within a few centimeters.
        Lead pipes were common in that part of the city until the nineteen sixties.\#nMemory is not a recording; each time we recall an event we rebuild it.
        Antibiotics do not help against the common cold.\#nThe chemist heated the blue crystals until they turned white.
        Glass is made by melting sand together with soda and lime.\#nA compass needle points toward the magnetic pole, which wanders a little every year.
        The home side came back from two goals down to win in extra time.\#nShe broke the national record in the ten thousand meters by less than a second.
        The coach refused to explain why his best player stayed on the bench.\#nRain delayed the start of the second set for almost three hours.
        The rookie pitcher struck out nine batters in his first game.\#nOur team has not won away from home since October.
        The marathon route was changed because of roadworks along the river.\#nHe missed the penalty, but the defender had moved too soon and it was taken again.
        Only four of the eleven yachts finished the race.\#nThe heavyweight retired after losing his title on points.
        The rowers trained in the dark all winter.\#nTheir new stadium holds twice as many people as live in the town.
        The gymnast landed badly and had to be helped off the mat.\#nA late try gave the visitors a draw they hardly deserved.
        The oldest runner in the field crossed the line to the loudest applause.\#nFans threw oranges onto the ice when the captain scored.
        The tournament begins on Friday with a match between last year's finalists.\#nThe judge's decision was booed by half of the hall.
        She learned to ski at fifty and raced at sixty.\#nThe jockey thanked the horse before he thanked the owner.
        The soup tasted of smoke, pepper and something I could not name.\#nWe ate grilled sardines with our fingers on the harbor wall.
        My aunt makes the best dumplings in the family, and she will not write down the recipe.\#nThe curry was hot enough to make everyone at the table go quiet.
        Serve the pears warm, with a spoonful of thick cream.\#nThis cheese is aged for two years in a cave above the village.
        The restaurant was full, so they let us sit in the kitchen.\#nHe burned the toast and called it rustic.
        A good stock needs bones, patience and very little salt.\#nThe coffee here is strong and comes with a glass of water.
        She spreads butter all the way to the edge of the bread.\#nChop the herbs at the last minute so that they keep their smell.
        The children refused to eat anything green.\#nI prefer my eggs boiled for exactly six minutes.
        The pie had a perfect crust and far too much cinnamon.\#nLunch was a bowl of lentils, a tomato and half a loaf of rye bread.
        The wine had turned, but nobody wanted to tell the host.\#nThey roast the chestnuts over an open fire in the square.
        Honey from this valley tastes faintly of thyme.\#nThe noodles are pulled by hand and dropped straight into the broth.
        We missed the connection in Vienna and spent the night on a bench.\#nThe hotel was cheap, clean and next to a very loud church.
        From the top of the tower you can see three countries.\#nTake the earlier bus, because the later one is always full on market days.
        Our guide spoke six languages and was funny in all of them.\#nThe beach was empty except for a man selling melons.
        My suitcase arrived four days after I did.\#nThe road to the monastery climbs through pine forest for an hour.
        You need exact change for the ticket machine.\#nThey crossed the desert by night to avoid the heat.
        The island has one shop, one bar and no cash machine.\#nWe rented bicycles and got lost at once.
        The train follows the coast so closely that spray hits the windows.\#nNobody had told us that the museum is closed on Mondays.
        She keeps a jar of sand from every beach she has visited.\#nThe border crossing took five hours and cost us a bottle of whisky.
        I have never slept as well as I did in that tent.\#nThe old quarter is best seen early, before the tour groups arrive.
        The captain announced that we would be landing with a slight delay.\#nThe map was out of date, and so was the bridge.
        A cold front will bring showers to the west by early evening.\#nIt was so hot that the tar on the road began to melt.
        The first frost killed the basil overnight.\#nExpect strong gusts along the coast and calmer weather inland.
        The sky turned green an hour before the hail.\#nIt has rained every day since we arrived.
        Fog is likely in the valleys until late morning.\#nThe drought is now in its third year, and the wells are running dry.
        Thunder rolled around the hills all afternoon, but not a drop fell.\#nSnow had drifted up to the window sills.
        She put a tenth of every paycheck into an account she could not easily reach.\#nThe shop gives a discount to anyone who pays in cash.
        Inflation ate up most of the raise we were given.\#nHe sold the shares a week before the price doubled.
        The loan has to be repaid in full by the end of next year.\#nMy pension is worth less than I was led to believe.
        The accountant found two invoices with the same number.\#nA weak currency makes exports cheaper and holidays more expensive.
        They bought the house at an auction without having seen the inside.\#nThe insurance does not cover damage caused by moles.
        Many small firms could not find a bank willing to lend to them.\#nThe tax on sugary drinks brought in more money than expected.
        He paid off his debts by driving a taxi at night for six years.\#nThe factory pays better than the farms, and so the young people leave.
        A cooperative of forty growers owns the mill.\#nThe auditors refused to sign the annual report.
        Rents in the center have doubled in less than a decade.\#nThe fund lost half of its value in a single week.
        She asked for a receipt, and the driver suddenly remembered a lower fare.\#nOur budget leaves room for one new teacher or a new roof, but not both.
        I think the film would have been better without the last ten minutes.\#nIn my opinion the committee acted too late and then too fast.
        Nobody who has worked a night shift would call it easy money.\#nThe second volume is slower than the first but a good deal wiser.
        Zoos should exist only for animals that can no longer live in the wild.\#nIt is a beautiful building that nobody would want to work in.
        I am not against the plan; I am against the way it was decided.\#nThe acting is superb, but the plot has a hole you could drive a truck through.
        Homework for six-year-olds does more harm than good.\#nPeople who say that money does not matter have usually got some.
        This is the first phone I have owned that I would happily buy again.\#nThe argument is clever, yet it proves too much.
        A city without trees is only a place to park.\#nI do not trust a cook who never tastes the food.
        Most meetings could be a short letter.\#nThe exhibition is worth a visit for the drawings alone.
        Teenagers need more sleep than their schools allow them.\#nHer early songs were better, before she had a producer.
        The bridge is ugly, expensive and badly needed.\#nHe is a decent man in an impossible job.
        My grandmother kept every letter my grandfather sent her from the sea.\#nWe were poor, but we did not know it until we moved to the city.
        He apologized in front of the whole class.\#nShe has not spoken to her brother since the funeral.
        The twins finish each other's sentences and steal each other's socks.\#nI was seven when I first saw snow.
        Our neighbors are getting married for the second time, to each other.\#nThe baby laughs whenever somebody sneezes.
        He promised to call and, to everyone's surprise, he did.\#nThey named the boat after a dog they had both loved.
        Her father taught her to drive in an empty gravel pit.\#nI found the ring years later in the pocket of a winter coat.
        Nothing was said at dinner, and everything was understood.\#nShe left the city without telling anyone where she was going.
        The old couple walk to the lighthouse and back every evening.\#nHe cannot whistle, so he hums to the dog.
        We buried the box under the plum tree and drew a map.\#nMy sister is afraid of moths but keeps a tarantula.
        They were friends until they shared a kitchen.\#nIt took him a year to open the envelope.
        The update fixed the crash but made the menus slower.\#nYour password must not contain your own name.
        The server ran out of disk space in the middle of the night.\#nA good error message tells you what to do next.
        The program reads the whole file into memory, which is a problem on small machines.\#nI deleted the wrong folder and had to restore it from last week's copy.
        The new printer refuses to talk to the old computer.\#nRobots now pack most of the boxes in this warehouse.
        The website asks for permission to know where I am, and I cannot see why.\#nHe wrote the first version in a weekend and spent ten years repairing it.
        The camera adjusts the exposure by itself, though not always well.\#nTurning it off and on again worked, as it usually does.
        The search engine returned a thousand pages, none of them useful.\#nEngineers shut down the reactor for routine maintenance.
        An electric bus needs about four hours to charge completely.\#nThe robot vacuum cleaner got stuck under the sofa again.
        Her thesis describes a cheaper way to purify drinking water.\#nThe drone took pictures of the roof that no ladder could reach.
        The battery lasts two days if you do not watch films.\#nThe translation was fluent, confident and completely wrong.
        A red kite circles above the freshly mown meadow.\#nThe hedgehog rolled into a ball and waited for us to go away.
        Foxes have learned on which day the rubbish is collected.\#nThe crocodile lay so still that a bird perched on its head.
        A swarm of bees settled on the traffic light.\#nWolves have returned to the forest after more than a century.
        The parrot imitates the microwave perfectly.\#nOur cow escaped and was found in the swimming pool.
        The spider rebuilt its web across the door every night.\#nA young seal was resting on the slipway with one eye open.
        The vet says the rabbit is simply too fat.\#nSwallows gather on the wires before they fly south.
        The donkey carried our bags and complained the whole way.\#nA herd of zebras crossed the river where the crocodiles were fewest.
        The kitten climbed the curtain and could not get down.\#nThe dog knows the sound of our car and no other.
        Crabs scuttled sideways into the cracks between the stones.\#nAn owl calls from the church tower just after midnight.
        The salamander hides under wet leaves during the day.\#nThey counted more than two hundred storks in the field.
        The play is set in a lighthouse during a storm that lasts three days.\#nThe orchestra played the slow movement as if there were no tomorrow.
        She paints only doors, and mostly closed ones.\#nThe novel begins with a funeral and ends with a birth.
        Every seat was taken, and people were standing along the walls.\#nThe choir rehearses on Wednesdays in the back room of the library.
        He learned the trumpet from records, a few seconds at a time.\#nThe statue lost its nose in the war and its sword last summer.
        A local photographer recorded the life of the street for fifty years.\#nThe poem is short, but it took her eleven winters.
        The festival was moved indoors because of the wind.\#nThey sang in a language that only a few hundred people still speak.
        The director cut the scene that had cost the most.\#nDancers in paper costumes filled the square until the rain came.
        The critics hated it and the public could not stay away.\#nA man is playing chess against himself in a cafe.
        Two girls are flying a kite shaped like a dragon.\#nA woman wearing a straw hat is picking cherries from a ladder.
        A group of people is watching a street performer juggle torches.\#nA young man is jumping his bicycle over a fallen tree.
        A dog in a life jacket stands at the front of a canoe.\#nA chef sprinkles salt over a pan of mushrooms from a great height.
        A man is riding an ox through shallow water.\#nA person in a bear costume is handing out balloons.
        A boy is asleep with his head on a stack of books.\#nA lady in a long coat is waiting for the light to change.
        Two kids in pajamas are watching the rain from the window.\#nA hockey player is lying on the ice and holding his knee.
        A white cat is looking at its reflection in a puddle.\#nA man is shaving with the help of a car mirror.
        The treaty forbids both countries from building new bases on the islands.\#nThe bomb exploded near a checkpoint, and at least six soldiers were hurt.
        A spokesman said the talks had been useful but gave no details.\#nRebels released eleven aid workers whom they had held since March.
        The army withdrew from the northern district after two weeks of fighting.\#nAid groups warn that food stores will run out before the harvest.
        The king opened the session with a speech about drought and patience.\#nA judge suspended the law until the constitutional court can hear the case.
        The two neighbors agreed to reopen the railway across their common border.\#nSenators questioned the general for four hours behind closed doors.
        Demonstrators blocked the highway with burning tires.\#nThe envoy said he was hopeful that the hostages would be freed.
        The regional governor resigned over gifts that he had failed to declare.\#nMore than ninety nations signed the agreement on plastic waste.
        Turnout was low in the capital but high in the countryside.\#nThe election commission will recount the votes in three districts.
        A bus carrying pilgrims overturned on a mountain road.\#nThe new law makes it harder to fire people over the age of fifty-five.
        The inspectors were refused entry to the plant for the second time.\#nFishermen rescued nineteen people from a drifting rubber boat.
        The two presidents shook hands but did not speak to reporters.\#nThe union accepted the offer by a narrow majority.
        The suspect was arrested at the airport with a false passport.\#nFuel shortages have closed schools in half of the provinces.
        The bridge collapsed during the evening rush hour.\#nRegulators blocked the merger of the two largest grocery chains.
        The chip maker plans to build a factory in the south at a cost of eight billion.\#nProfits at the retailer rose for the fifth quarter running.
        The startup makes leather from mushrooms and has yet to earn a cent.\#nConsumer confidence slipped in May, according to a survey published on Monday.
        The dollar gained against the yen in quiet trading.\#nHer firm employs thirty people and has never borrowed money.
        The bank said it would repay customers who had been charged twice.\#nThe chief executive will step down at the end of the year.
        Coffee futures climbed to a six-year high on fears of frost.\#nThe shipyard won an order for four ferries.
        House sales fell again, though prices hardly moved.\#nA pipeline fault cut gas deliveries to the steelworks.
        The publisher is closing its last printed newspaper.\#nFarmers poured milk into the street in protest at low prices.
        My knee hurts when I walk downstairs but not when I climb.\#nThe doctor told him to rest, and he painted the fence instead.
        Drinking enough water will not cure a headache, but it seldom hurts.\#nShe sleeps badly whenever the moon is full, or so she believes.
        A short walk after dinner lowers the level of sugar in the blood.\#nThe waiting room was painted a color meant to calm people.
        The surgeon drew an arrow on the correct leg.\#nHe gave up smoking on the day his daughter was born.
        The ambulance arrived within seven minutes.\#nDoctors found no sign of the tumor after the second round of treatment.
        The clinic in our valley is open two mornings a week.\#nShe lost her sense of smell and, with it, her interest in cooking.
        The rash disappeared as soon as he changed his soap.\#nBabies born in winter start to crawl a little earlier, one study claims.
        Too much screen time in the evening keeps children awake.\#nThe dentist hummed an opera while he drilled.
        Physical therapy helped more than the operation did.\#nElderly patients are often given more medicines than they need.
        He is allergic to nuts, feathers and, he says, early mornings.\#nHer temperature came down after midnight.
        The teacher drew a triangle on the board and asked what it could not do.\#nPupils who arrive hungry find it hard to concentrate.
        He failed the examination twice and now sets it.\#nThe library lends tools as well as books.
        I learned more from the janitor than from the headmaster.\#nThe course is free, but you have to bring your own laptop.
        Half of the class had never held a hammer.\#nShe corrected the essays in green ink because red seemed unkind.
        The village school will close unless six more children enroll.\#nGrammar is the map, not the journey.
        The students built a seismograph from a coffee can.\#nA good question is worth more than a quick answer.
        He reads slowly and forgets nothing.\#nThe professor lectured to an empty hall and was recorded doing it.
        Our daughter counts in two languages and mixes them after twelve.\#nPlease send me the signed form before the end of the week.
        The meeting has been moved to the small room on the fourth floor.\#nI am writing to complain about the noise from your air conditioner.
        Could you let me know whether the apartment is still available?\#nThank you for the flowers, which are still alive, unlike most plants in my care.
        We regret that we cannot offer you the position.\#nYour parcel is waiting at the post office and will be returned after ten days.
        Please do not feed the swans.\#nThe lift is out of order until further notice.
        Passengers are reminded to keep their luggage with them at all times.\#nThe office will be closed on the first of May.
        I would be grateful for an answer before we sign the lease.\#nKeep this door shut, or the goats will come in.
        Lost: one grey parrot, answers to the name of Admiral.\#nYour subscription will be renewed automatically unless you cancel it.
        I have been trying to learn the banjo, and my neighbors have been trying to move.\#nThe clock in the station has been eight minutes slow since the war.
        There is a drawer in every kitchen where string and batteries go to die.\#nHe wears a tie on Fridays because everyone else does not.
        The house smelled of apples and wet wool.\#nI counted nine church bells, none of which agreed about the time.
        The painter ran out of blue, and so the sea is green.\#nNobody could remember who had planted the walnut tree.
        The last person to leave should turn off the lights.\#nShe opened the window, and the whole street came in.
        A broken umbrella stuck out of the bin like a dead bird.\#nThe stairs creak in a different key each winter.
        He kept the key long after the house was gone.\#nIt was the kind of town where the bus driver waits for you.
        The lamp flickered twice and went out.\#nI can never tell whether he is joking.
        They had forgotten the corkscrew and remembered the candles.\#nThe snow muffled everything, even the trains.
        It is easier to lend a book than to get it back.\#nThe neighbors' music comes through the wall as a kind of heartbeat.
        The tailor measured him twice and sighed.\#nThe bus was late, the shoes were new, and it was raining.
        A letter addressed to the previous tenant arrives each December.\#nShe folded the map wrong and could never forgive it.
        The museum guard knows every visitor who comes only for the warmth.\#nThe tent is waterproof, although not, as we found out, from below.
        Two thousand people applied for a job as keeper of a lighthouse.\#nVoters rejected the proposal for a new airport by a margin of two to one.
        A truck spilled thirty tons of oranges on the ring road this morning.\#nA five-year-old girl called an ambulance when her grandfather collapsed.
        The court ruled that the waiter may keep the winning ticket he received as a tip.\#nArchaeologists have uncovered a Roman kitchen beneath a car park.
        The soldier was awarded a medal sixty years after the battle.\#nA rare comet will be visible to the naked eye until the end of the month.
        A man has been rescued after three days in a collapsed tunnel.\#nThe world's oldest known tortoise celebrated its birthday with a plate of lettuce.
        A power cut stopped the final in the last minute of play.\#nA woman is ironing a shirt while talking on the telephone.
        A train is pulling into a station decorated with flags.\#nA man in a kilt throws a heavy wooden pole.
        Some people are eating lunch on the steps of the courthouse.\#nA girl in goggles is pouring a green liquid into a flask.
        A tractor is pulling a bus out of the mud.\#nA person is slicing bread with a wire.
        A monk sweeps leaves from a stone courtyard.\#nA diver photographs a turtle from a careful distance.
        The report, which runs to six hundred pages, blames the collapse of the dam on poor concrete and a long chain of ignored warnings.\#nWhen the ferry finally docked, the passengers who had been singing all night were asleep and those who had tried to sleep were furious.
        If you want the paint to last, sand the wood first, wipe off the dust with a damp rag, and wait for a dry day.\#nAlthough both studies used the same data, one concluded that the tax had saved jobs and the other that it had destroyed them.
        The committee will meet again in September, by which time, its chairwoman hopes, somebody will have found the missing minutes.\#nA man carrying a ladder and a woman carrying a mirror are trying to pass each other in a narrow corridor.
        Officials said on Thursday that the number of people infected had doubled in a week, mostly among workers at two meat plants.\#nI bought the tickets in January, booked the room in February, and in March I discovered that the festival had been the year before.
        The lawyer argued that his client could not have signed the contract because he had been on a fishing boat at the time.\#nYou do not need an expensive machine to make good coffee, only fresh beans, clean water and a little attention.
        Scientists think that the ring of dust around the star is what remains of two planets that ran into each other.\#nThe company, based in a small town near the border, makes the tiny springs that are found in almost every watch.
        As the water rose, the keeper opened the cages one after another and hoped that the animals would know where to go.\#nIs it better to pay off the mortgage early or to put the extra money into something that might earn more?
        The winger, who had been injured since August, came on with ten minutes left and scored with his first touch.\#nAfter the second operation she could hear the birds again, but it took months before voices made sense.
        A family of five is sitting under a striped umbrella while the father tries to light a small grill.\#nThe government says the dam will bring light to a million homes; the people in the valley say it will bring water to theirs.
        My bicycle was stolen on Monday, found by the police on Tuesday and stolen again from the police station on Wednesday.\#nSeveral passengers were treated for bruises after the plane hit rough air on its way down to the coast.
        It is hard to say which was worse, the food that was served at the wedding or the speech that delayed it.\#nThe two brothers run the farm together and have agreed to discuss everything except politics and the proper way to stack wood.
        """#
}
