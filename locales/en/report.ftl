# The whole course report, live.

report-title = The course report, live
report-lead = Four small systems, as the report tells of them: each of its tables and figures is made again here from runs that you can choose, its own figures stand beside ours, and the difference is written out.
report-contents = Chapters
report-make = Make it from these
report-choose-words = Words from
report-choose-triplet = Triplet network from
report-choose-skin = ResNet-14 from
report-choose-fashion = Tuned perceptron from
report-words = Words
report-triplet = The triplet network
report-skin = ResNet-14 on skin lesions
report-fashion = The tuned perceptron
report-figures = The report’s figures and ours
report-figure = Figure
report-theirs = Report
report-ours = Ours
report-difference = Difference
report-measure-distance = Cosine distance
report-measure-loss = Training loss
report-measure-validation-loss = Validation loss
report-measure-accuracy = Accuracy
report-measure-validation-accuracy = Validation accuracy
report-measure-macro-f1 = Macro F1
report-measure-weighted-f1 = Weighted F1
report-none-of-ours = There is nothing of ours beside the report yet: no run that is done fits this chapter.
report-words-about = Vectors that were learned from which words stand near each other. The report asks them for nearest words, distances and analogies, and draws groups of words on a plane.
report-words-reading = { $pairs ->
    [one] The one distance that both know differs by { $largest }.
   *[other] Of { $pairs } distances that both know, none differs by more than { $largest }.
  } Distances are the vectors’, so that other vectors give others; what should agree is the order, and of { $orders } words that can be asked for a near and a far one { $agree } put them in the report’s.
report-words-lesson = What vectors know of the world, they have from their texts, prejudice included: in the report’s, doctor moved from he to she lands at nurse. An analogy is a question to a corpus, not to the truth, and the word that is wanted may be missed because its commonest meaning is another one: calf is first of all a part of the leg.
report-triplet-about = A network that lays digits of one kind near each other, in ten dimensions, learned from triplets: an image, one like it, one unlike it. The report makes its triplets before the training and proposes, without trying it, to choose hard ones while it trains.
report-triplet-reading = { $better ->
    [yes] After as many epochs our validation loss is { $ours }, no worse than the report’s { $report }.
   *[no] After as many epochs our validation loss is { $ours }, where the report has { $report }.
  } A loss on triplets that were made at random says little once almost all of them are satisfied, which is why the table of miners measures by what is retrieved.
report-triplet-lesson = At an equal number of images, triplets chosen within the batch by how hard they are leave fewer digits wrong than random ones, and both leave fewer than triplets that are made once. What the report proposed was worth trying.
report-skin-about = Seven kinds of skin lesions, of which one makes up two thirds of the images. The report trains a small residual network, sees it overfit, and proposes more varied images as a remedy, without trying it.
report-skin-reading = Our training with the report’s settings gets { $ours } of the test images right, the report’s { $report }. { $gap ->
    [known] On the training images it gets { $points } points more: it has learned them by heart.
   *[unknown] On the training images it was not judged yet.
  }
report-skin-lesson = Accuracy misleads here: whoever always answers nv is right two times in three and finds no disease at all. What counts is the recall of each class, and what is traded for it. The remedies are compared below by all of these, chosen on validation images alone.
report-fashion-about = A perceptron with one hidden layer on pictures of clothes. The report searches its width and its learning rate by Bayesian optimisation, in three trials.
report-fashion-reading = Untuned, our validation accuracy is { $before }; with the report’s best settings { $after }, where the report has { $report }.
report-fashion-lesson = Three trials say little of a space of a hundred and sixty settings, and the validation images that chose the best also flatter it. What the search found is less than what was left aside: images turned and shifted, units left out, and a schedule of the learning rate add more than the best width does.
